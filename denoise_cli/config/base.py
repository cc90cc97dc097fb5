"""The base class of all configs."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic.fields import FieldInfo

from denoise_cli.config import describe
from denoise_cli.config.spelling import canonical_value


class Section(BaseModel):
    """Frozen; unknown keys are errors; the docstring under a field is its help."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, protected_namespaces=()
    )

    @field_validator("*", mode="before")
    @classmethod
    def _any_spelling(cls, value: Any, info: ValidationInfo) -> Any:
        assert info.field_name is not None
        return canonical_value(info.field_name, cls.model_fields[info.field_name], value)

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
