"""The base class of all configs."""

from __future__ import annotations

import os
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from denoise_cli.config import describe
from denoise_cli.config.spelling import canonical_value

UNUSABLE = "unusable"
"""The type of the error of a value that is of the right kind but that no machine can use."""
_LARGEST = 2**63 - 1


class Section(BaseModel):
    """Frozen; unknown keys are errors; the docstring under a field is its help.

    Numbers are finite, whole ones fit a machine's word, and texts can be names of files.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        protected_namespaces=(),
        allow_inf_nan=False,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _any_spelling(cls, value: Any, info: ValidationInfo) -> Any:
        assert info.field_name is not None
        return canonical_value(info.field_name, cls.model_fields[info.field_name], value)

    @field_validator("*", mode="after")
    @classmethod
    def _usable(cls, value: Any) -> Any:
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, int) and abs(each) > _LARGEST:
                raise PydanticCustomError(UNUSABLE, f"may be at most {_LARGEST}")
            if isinstance(each, str | os.PathLike) and not _can_be_a_name(os.fspath(each)):
                raise PydanticCustomError(UNUSABLE, "has a character that no name can have")
        return value

    @classmethod
    def field_of(cls, key: str) -> FieldInfo:
        """The declaration of a field such as `optim.lr`."""
        head, _, rest = key.partition(".")
        field = cls.model_fields[head]
        if not rest:
            return field
        section = field.annotation
        assert isinstance(section, type) and issubclass(section, Section)
        return section.field_of(rest)

    @classmethod
    def help_of(cls, key: str) -> str:
        """The help of a field such as `optim.lr`: what it is, its range and its default."""
        return describe.help_of(cls.field_of(key))


def _can_be_a_name(text: str) -> bool:
    """Whether the system can pass the text on: no zero byte, no half of a character."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False
