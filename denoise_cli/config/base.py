"""What all config classes share."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Frozen; unknown keys are errors; the docstring under a field is its help."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, protected_namespaces=()
    )

    @classmethod
    def help_of(cls, key: str) -> str:
        """The help of a field such as `optim.lr`."""
        head, _, rest = key.partition(".")
        field = cls.model_fields[head]
        if rest:
            section = field.annotation
            assert isinstance(section, type) and issubclass(section, Section)
            return section.help_of(rest)
        return field.description or ""
