"""`json_schema`: the value has the declared shape."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, cast

from gapless.evals.checks.base import CheckContext, ValueCheck
from gapless.records.trial import Verdict

_MAX_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class JsonSchema(ValueCheck):
    """Passes when the value is valid against a JSON Schema. Schemas on the network are never fetched."""

    name: ClassVar[str] = "json_schema"
    example: ClassVar[dict[str, Any]] = {
        "path": "assessment",
        "schema": {"type": "object", "required": ["total"], "properties": {"total": {"type": "number"}}},
    }
    shorthand: ClassVar[str | None] = "file"

    schema: dict[str, Any] | bool | None = None
    """The schema itself; draft 2020-12 unless it says otherwise by `$schema`."""
    file: str | None = None
    """A JSON or YAML file with the schema, relative to the suite; read when the suite is."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.schema is None) == (self.file is None):
            raise ValueError("give either `schema` or `file`")
        _ = self._validator

    @classmethod
    def prepare(cls, params: dict[str, Any], folder: Path) -> dict[str, Any]:
        """Reads the schema's file, so that changing it changes the suite."""
        if "file" not in params or "schema" in params:
            return params
        rest = {key: value for key, value in params.items() if key != "file"}
        return rest | {"schema": _read(folder / str(params["file"]))}

    @cached_property
    def _validator(self) -> Any:
        import jsonschema_rs

        schema = self.schema if self.file is None else _read(Path(self.file))
        try:
            return jsonschema_rs.validator_for(cast("dict[str, Any]", schema), offline=True)
        except ValueError as error:
            raise ValueError(f"no valid JSON Schema: {str(error).splitlines()[0]}") from error

    def judge_value(self, found: Any, context: CheckContext) -> Verdict:
        """Judges the value; the reason names the first breaches with their places."""
        try:
            errors = list(self._validator.iter_errors(found))
        except ValueError as error:  # bytes are plain data, but not JSON
            return self.failed(f"{self.path or 'the value'} is no JSON: {error}")
        if not errors:
            return self.passed()
        words = [_described(error, self.path) for error in errors[:_MAX_SHOWN]]
        more = f"; and {len(errors) - _MAX_SHOWN} more" if len(errors) > _MAX_SHOWN else ""
        return self.failed("; ".join(words) + more)


def _described(error: Any, path: str) -> str:
    place = ".".join([*([path] if path else []), *(str(part) for part in error.instance_path)])
    return f"{place or 'the value'}: {error.message[:200]}"


def _read(file: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(file.read_text(encoding="utf-8"))  # JSON is YAML
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"schema file {file} cannot be read: {error}") from error
