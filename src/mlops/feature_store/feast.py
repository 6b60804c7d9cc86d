"""Feature sets as a Feast repository: what was built here, read by Feast's offline store out of our database.

A view `analytics.features_SET` is a Feast source, a set is a feature view of the entity `series`, and a live model
version whose features are all in a set is a feature service. `y` is not exported: it is what is to be predicted.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypedDict
from urllib.parse import parse_qs, unquote, urlsplit

from mlops.db import Database
from mlops.domain.features import FeatureDefinition, FeatureDocument, Selection, SelectionDocument
from mlops.domain.granularity import GRANULARITIES
from mlops.errors import BadInput, NothingToDo, Refused
from mlops.files import write_whole

__all__ = ["BuiltSet", "Service", "export_feast", "render"]

MARK = "Written by `mlops features export-feast`, which writes it anew: what is changed here is lost."
TYPES = {"float64": "Float64", "float32": "Float32"}
UNITS = ("days", "hours", "minutes")
PASSWORD = "PGPASSWORD"  # noqa: S105  a variable's name


@dataclass(frozen=True, slots=True)
class BuiltSet:
    """A feature set of which there is a build: its view has a column per feature."""

    name: str
    metric_type: str
    granularity: str
    definitions: Sequence[FeatureDefinition]
    versions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Service:
    """The features of a live model version, as columns of one set."""

    model: str
    version: int
    feature_set: str
    features: Sequence[str]


class _Definition(TypedDict):
    """A recorded definition with the number of its version."""

    version: int
    definition: FeatureDocument


@dataclass(frozen=True, slots=True)
class _Exported:
    """A set as its newest build has it."""

    name: str
    selection: SelectionDocument
    features: list[_Definition]

    @property
    def built(self) -> BuiltSet:
        selection = Selection(**self.selection)
        definitions = [FeatureDefinition.of(recorded["definition"]) for recorded in self.features]
        versions = {recorded["definition"]["name"]: recorded["version"] for recorded in self.features}
        return BuiltSet(self.name, selection.metric_type, selection.granularity, definitions, versions)


def export_feast(database: Database, folder: Path) -> list[Path]:
    """Write the repository; its files. The same state writes the same bytes.

    Raises NothingToDo when no feature set was built, and Refused where a file of another origin would be overwritten.
    """
    with database.transaction() as transaction:
        exported = transaction.rows("export_feature_sets", of=_Exported)
        services = transaction.rows("export_feature_services", of=Service)
    sets = [row.built for row in exported]
    if not sets:
        raise NothingToDo("no feature set was built, and Feast reads what was built; run `mlops features build SET`")
    return _write(folder, render(sets, services, database.url))


def render(sets: Sequence[BuiltSet], services: Sequence[Service], database_url: str) -> dict[str, str]:
    """The files of the repository by name."""
    return {"feature_store.yaml": _settings(database_url), "features.py": _definitions(sets, services)}


def _write(folder: Path, files: Mapping[str, str]) -> list[Path]:
    """Write files into a folder, over none that was not written by us."""
    paths = {folder / name: text for name, text in files.items()}
    foreign = next((path for path in paths if path.exists() and MARK not in path.read_text(encoding="utf-8")), None)
    if foreign:
        raise Refused(f"{foreign} was not written by this command and would be overwritten; choose another folder")
    try:
        for path, text in paths.items():
            write_whole(path, text)
    except OSError as error:
        raise BadInput(f"can't be written: {error.strerror}; give another folder", where=str(folder)) from error
    return list(paths)


def _settings(database_url: str) -> str:
    """Feast's settings; a password is never written down, Feast takes it from the environment."""
    address = urlsplit(database_url)
    named = {key: values[0] for key, values in parse_qs(address.query).items()}
    lines = {
        "host": unquote(address.hostname or named.get("host", "localhost")),
        "port": address.port or int(named.get("port", 5432)),
        "database": unquote(address.path.lstrip("/")),
        "db_schema": "analytics",
        "user": unquote(address.username or named.get("user", "postgres")),
        "password": f"${{{PASSWORD}}}",
    }
    store = "".join(f"  {key}: {json.dumps(value)}\n" for key, value in lines.items())
    return (
        f"# {MARK}\n"
        "project: mlops\nprovider: local\nregistry: data/registry.db\nentity_key_serialization_version: 3\n"
        f"offline_store:\n  type: postgres\n{store}"
        "online_store:\n  type: sqlite\n  path: data/online_store.db\n"
    )


def _definitions(sets: Sequence[BuiltSet], services: Sequence[Service]) -> str:
    types = sorted({"Int64", *(TYPES[definition.dtype] for each in sets for definition in each.definitions)})
    head = f'''"""Feature sets of mlops for Feast.

{MARK}
"""

from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, ValueType
from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import PostgreSQLSource
from feast.types import {", ".join(types)}

series = Entity(
    name="series",
    join_keys=["series_id"],
    value_type=ValueType.INT64,
    description="One place times one metric type: analytics.series.",
)
'''
    parts = [_view(one) for one in sorted(sets, key=lambda one: one.name)]
    ordered = sorted(services, key=lambda one: (one.model, one.version))
    return head + "".join(parts) + "".join(_service(service) for service in ordered)


def _view(one: BuiltSet) -> str:
    fields = "".join(_field(definition, one.versions[definition.name]) for definition in one.definitions)
    tags = {"granularity": one.granularity, "metric_type": one.metric_type}
    owners = ", ".join(sorted({definition.owner for definition in one.definitions}))
    return f"""
{one.name}_source = PostgreSQLSource(
    name={_text(one.name)},
    table={_text(f"analytics.features_{one.name}")},
    timestamp_field="observed_at",
)
{one.name}_view = FeatureView(
    name={_text(one.name)},
    entities=[series],
    ttl=timedelta({_longest_step(one.granularity)}, seconds=-1),  # a row is for its own step, not for a gap after it
    schema=[
        Field(name="series_id", dtype=Int64),
{fields}    ],
    source={one.name}_source,
    owner={_text(owners)},
    tags={_tags(tags)},
)
"""


def _longest_step(granularity: str) -> str:
    step = GRANULARITIES[granularity].longest_step
    unit = next(unit for unit in UNITS if not step % timedelta(**{unit: 1}))
    return f"{unit}={step // timedelta(**{unit: 1})}"


def _field(definition: FeatureDefinition, version: int) -> str:
    tags = {"version": version, "transformation": definition.transformation, "definition_sha256": definition.sha256}
    bounds = {"min_value": definition.min_value, "max_value": definition.max_value}
    tags |= {name: f"{bound:g}" for name, bound in bounds.items() if bound is not None}
    return f"""        Field(
            name={_text(definition.name)},
            dtype={TYPES[definition.dtype]},
            description={_text(definition.description)},
            tags={_tags(tags)},
        ),
"""


def _service(one: Service) -> str:
    name = f"{one.model}_v{one.version}"
    features = ", ".join(_text(feature) for feature in one.features)
    return f"""
service_{_variable(name)} = FeatureService(
    name={_text(name)},
    features=[{one.feature_set}_view[[{features}]]],
    tags={_tags({"model": f"models:/{one.model}/{one.version}"})},
)
"""


def _variable(name: str) -> str:
    """A part of a Python name; different names stay different."""
    return re.sub(r"[^0-9a-zA-Z]", lambda found: "__" if found[0] == "_" else f"_{ord(found[0]):x}_", name)


def _text(value: str) -> str:
    """A Python literal in double quotes."""
    return json.dumps(value, ensure_ascii=False)


def _tags(tags: Mapping[str, object]) -> str:
    return "{" + ", ".join(f"{_text(name)}: {_text(str(value))}" for name, value in tags.items()) + "}"
