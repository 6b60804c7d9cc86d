"""Lineage as OpenLineage events (specification 2-0-2), for catalogues such as Marquez, DataHub or OpenMetadata.

A training is one run of the job `train.MODEL`: it reads a selection of the time series and writes the model, whose
columns are its features. A call of `mlops predict` is one run of `predict.MODEL`. Ids and times are those of what was
recorded: the same state gives the same events, and a receiver that has a run already gets it once more. A
training begins and ends when its run did, or, without one, when its version was registered.

Datasets are named as https://openlineage.io/docs/spec/naming says: `postgres://HOST:PORT`, `DATABASE.SCHEMA.TABLE`. It
has no rule for MLflow: a model is `mlflow://HOST:PORT`, `NAME`, and its version is the version of the dataset.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import NAMESPACE_URL, uuid5

from openlineage.client import facet_v2 as facets
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.serde import Serde
from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport, TokenProvider
from requests import RequestException

from mlops.domain.canonical import canonical_json
from mlops.domain.lineage import LineageDocument
from mlops.errors import BadInput, Misused, Refused
from mlops.files import whole_file
from mlops.tracking.openlineage import ExportedVersion, Recorded, Request, UsedFeature
from mlops.version import __version__

__all__ = ["Place", "events", "send_events", "write_events"]

NAMESPACE = "mlops"
"""That of the jobs."""
RETRY = {"total": 2, "backoff_factor": 0.2, "status_forcelist": [502, 503, 504], "allowed_methods": ["POST"]}
SECONDS = 10.0  # of one attempt; chosen, not measured
DOUBLE, TIME = "double precision", "timestamp with time zone"


@dataclass(frozen=True, slots=True)
class Place:
    """Where data and models are, as namespaces say it."""

    data: str
    models: str

    @classmethod
    def of(cls, database_url: str, tracking_uri: str) -> "Place":
        """The namespaces of a database and of MLflow's store; a server behind a local socket is `localhost`."""
        return cls(f"postgres://{_server(database_url, 5432)}", f"mlflow://{_server(tracking_uri, 5432)}")


def events(recorded: Recorded, place: Place) -> Iterator[RunEvent]:
    """A START and a COMPLETE event per training, then per call of `predict`."""
    facets.set_producer(f"urn:mlops:{__version__}")
    versions = {row.version_id: _Version(row, place) for row in recorded.versions}
    for version in versions.values():
        yield from version.trained()
    for request in recorded.requests:
        yield from versions[request.version_id].predicted(request)


def write_events(events: Iterable[RunEvent], path: Path) -> int:
    """Write the events to a file, one JSON document a line; how many there are. The file is whole or as it was."""
    lines = [Serde.to_json(event) + "\n" for event in events]
    try:
        with whole_file(path) as unfinished:
            unfinished.write_text("".join(lines), encoding="utf-8")
    except OSError as error:
        raise BadInput(
            f"can't be written: {error.strerror}; give a file in a folder that exists", where=str(path)
        ) from error
    return len(lines)


def send_events(events: Iterable[RunEvent], url: str, api_key: str | None = None) -> int:
    """Send the events to an endpoint (without a path: /api/v1/lineage); how many there were.

    Raises Refused at the first event that is not taken. To send all of them again does no harm.
    """
    if not urlsplit(url).hostname:
        raise Misused(f"{url!r} has no host; expected an address such as https://marquez.example:5000")
    parts, sent = urlsplit(url), 0
    auth = ApiKeyTokenProvider({"apiKey": api_key}) if api_key else TokenProvider({})
    endpoint = (parts.path.rstrip("/") or "/api/v1/lineage") + (f"?{parts.query}" if parts.query else "")
    base = f"{parts.scheme}://{parts.netloc}"
    transport = HttpTransport(HttpConfig(base, endpoint, timeout=SECONDS, auth=auth, retry=RETRY))
    try:
        for event in events:
            transport.emit(event)
            sent += 1
    except (RequestException, ValueError) as error:
        answer = getattr(error, "response", None)
        why = str(error).splitlines()[0] if answer is None else f"it answered {answer.status_code} {answer.reason}"
        raise Refused(
            f"{url} did not take event {sent + 1}: {why};"
            " run the same command again when it does: what it has already, it knows by its id"
        ) from error
    finally:
        transport.close()
    return sent


class _Version:
    """One model version, as what it was made from and what it is used for."""

    def __init__(self, row: ExportedVersion, place: Place) -> None:
        self.row, self.place, self.lineage = row, place, row.lineage
        self.features = row.features
        self.uri = f"models:/{row.name}/{row.version}"
        self.recipe = self.lineage.get("recipe") if self.lineage else None
        self.owner = self.recipe["owner"] if self.recipe else None

    def trained(self) -> Iterator[RunEvent]:
        """The run that made it."""
        run = Run(self._id("training"), facets=self._run_facets())
        job = Job(NAMESPACE, f"train.{self.row.name}", facets=self._job_facets())
        inputs = [self._series(self.lineage)] if self.lineage else []
        return _start_and_end(run, job, self.row.began_at, self.row.ended_at, inputs, [self._made()])

    def predicted(self, request: Request) -> Iterator[RunEvent]:
        """A run that used it."""
        run = Run(
            self._id(f"request {request.request_id} {request.issued_at.isoformat()}"),
            facets={
                "nominalTime": facets.nominal_time_run.NominalTimeRunFacet(request.issued_at.isoformat()),
                "processing_engine": _engine(__version__),
            },
        )
        about = f"Forecasts of {self.row.name} from what was known at a time."
        job = Job(NAMESPACE, f"predict.{self.row.name}", facets=_purpose(about, "FORECAST"))
        used = InputDataset(self.place.models, self.row.name, facets=self._identity())
        inputs = [used, self._series()]
        return _start_and_end(run, job, request.began_at, request.ended_at, inputs, [_forecasts(self, request)])

    def table(self, name: str) -> str:
        """The name of a table of ours."""
        return f"{self.row.database}.analytics.{name}"

    def _id(self, what: str) -> str:
        """The same for the same run, whoever exports it, and whenever: MLflow restarts its numbers after a delete."""
        return str(uuid5(NAMESPACE_URL, f"{self.place.models}/{self.uri}/{self.row.created_at.isoformat()}/{what}"))

    def _run_facets(self) -> dict[str, facets.RunFacet]:
        row, parameter = self.row, facets.execution_parameters_run.ExecutionParameter
        tag = facets.tags_run.TagsRunFacetFields
        metrics = row.metrics.items()
        measured = {name: f"{value:.6g}" for name, value in metrics if not name.startswith("importance.")}
        code = (self.lineage.get("code") if self.lineage else None) or {"sha256": ""}
        of_code = {"code_commit": code.get("commit"), "code_sha256": code.get("sha256")}
        tags = {"mlflow.run_id": row.run_id, "lineage_sha256": row.lineage_sha256, **of_code, **measured}
        about: dict[str, facets.RunFacet] = {
            "processing_engine": _engine(self.lineage["code_version"] if self.lineage else __version__),
            "executionParameters": facets.execution_parameters_run.ExecutionParametersRunFacet(
                [parameter(key=name, name=name, value=str(value)) for name, value in sorted(row.params.items())]
            ),
            "tags": facets.tags_run.TagsRunFacet(
                [tag(name, str(tags[name]), "MLOPS") for name in sorted(tags) if tags[name]]
            ),
        }
        if row.as_of:
            about["nominalTime"] = facets.nominal_time_run.NominalTimeRunFacet(row.as_of.isoformat())
        cause = row.tags.get("mlops.recommendation_id")
        if cause:
            # the monitoring that recommended this training
            parent = facets.parent_run
            check = str(uuid5(NAMESPACE_URL, f"{self.place.data}/{row.database}/recommendation/{cause}"))
            job = parent.Job(NAMESPACE, f"monitor.{row.name}")
            about["parent"] = parent.ParentRunFacet(parent.Run(check), job)
        return about

    def _job_facets(self) -> dict[str, facets.JobFacet]:
        about = self.row.description or f"Trains {self.row.name} and measures it by a backtest."
        job = _purpose(about, "TRAINING")
        if self.owner:
            owner = facets.ownership_job.Owner(self.owner, "OWNER")
            job["ownership"] = facets.ownership_job.OwnershipJobFacet([owner])
        if self.recipe:
            job["sourceCode"] = facets.source_code_job.SourceCodeJobFacet("json", canonical_json(self.recipe))
        repository, commit = (self.row.run_tags.get(f"mlflow.source.git.{name}") for name in ("repoURL", "commit"))
        if repository:
            location = facets.source_code_location_job.SourceCodeLocationJobFacet
            job["sourceCodeLocation"] = location("git", repository, repoUrl=repository, version=commit)
        return job

    def _series(self, learned_from: LineageDocument | None = None) -> InputDataset:
        """The observations; of a training, that part of them which its lineage says."""
        kinds = {
            "series_id": "bigint",
            "metric_type": "text",
            "granularity": "text",
            "labels": "jsonb",
            "observed_at": TIME,
            "value": DOUBLE,
            "recorded_at": TIME,
        }
        about = "Observations as they were known at a time, with the place and the metric type of their series."
        dataset: dict[str, facets.DatasetFacet] = {
            "schema": _columns((name, kind, None) for name, kind in kinds.items()),
            "dataSource": facets.datasource_dataset.DatasourceDatasetFacet("analytics", self.place.data),
            "datasetType": facets.dataset_type_dataset.DatasetTypeDatasetFacet("VIEW"),
            "documentation": facets.documentation_dataset.DocumentationDatasetFacet(about),
        }
        selected: dict[str, facets.InputDatasetFacet] = {}
        if learned_from:
            version = facets.dataset_version_dataset.DatasetVersionDatasetFacet(learned_from["content_sha256"])
            dataset["version"] = version
            rows, quality = int(learned_from["rows"]), facets.data_quality_metrics_input_dataset
            statistics = facets.input_statistics_input_dataset.InputStatisticsInputDatasetFacet(rowCount=rows)
            of_value = {"value": quality.ColumnMetrics(count=float(rows), nullCount=0)}
            selected = {
                "subset": _subset(self._condition(learned_from)),
                "inputStatistics": statistics,
                "dataQualityMetrics": quality.DataQualityMetricsInputDatasetFacet(of_value, rowCount=rows),
            }
        return InputDataset(self.place.data, self.table("time_series"), facets=dataset, inputFacets=selected)

    def _condition(self, lineage: LineageDocument) -> list[tuple[str, str, list[str]]]:
        """Column, comparison and the values of which one must hold."""
        selection = lineage.get("selection")
        sources = sorted({name for feature in self.features for name in feature["source_metric_types"]})
        labels = sorted(selection["labels"].items()) if selection else []
        return [
            ("metric_type", "EQUAL", [selection["metric_type"]] if selection else sources),
            ("granularity", "EQUAL", [selection["granularity"]] if selection else []),
            ("level", "EQUAL", [selection["level"]] if selection and "level" in selection else []),
            *((f"labels.{key}", "EQUAL", [value]) for key, value in labels),
            ("observed_at", "GREATER_EQUAL_THAN", [lineage["trained_from"]]),
            ("observed_at", "LESS_EQUAL_THAN", [lineage["trained_to"]]),
            ("recorded_at", "LESS_EQUAL_THAN", [lineage["as_of"]]),
        ]

    def _made(self) -> OutputDataset:
        """The model, whose columns are its features."""
        model = self._identity()
        created = facets.lifecycle_state_change_dataset
        model["lifecycleStateChange"] = created.LifecycleStateChangeDatasetFacet(created.LifecycleStateChange.CREATE)
        if self.owner:
            owner = facets.ownership_dataset.Owner(self.owner, "OWNER")
            model["ownership"] = facets.ownership_dataset.OwnershipDatasetFacet([owner])
        if self.features:
            model["columnLineage"] = facets.column_lineage_dataset.ColumnLineageDatasetFacet(
                {feature["name"]: self._sources(feature) for feature in self.features},
                dataset=[self.field(name, "INDIRECT", "FILTER") for name in ("metric_type", "granularity", "labels")],
            )
        return OutputDataset(self.place.models, self.row.name, facets=model)

    def _identity(self) -> dict[str, facets.DatasetFacet]:
        row = self.row
        about = row.lineage_problem or row.description or f"{row.kind or 'A'} model {self.uri}"
        return {
            "version": facets.dataset_version_dataset.DatasetVersionDatasetFacet(str(row.version)),
            "datasetType": facets.dataset_type_dataset.DatasetTypeDatasetFacet("MODEL", row.kind),
            "dataSource": facets.datasource_dataset.DatasourceDatasetFacet("mlflow", self.place.models),
            "documentation": facets.documentation_dataset.DocumentationDatasetFacet(about),
            "schema": _columns((feature["name"], feature["dtype"], _about(feature)) for feature in self.features),
            "symlinks": facets.symlinks_dataset.SymlinksDatasetFacet(
                [facets.symlinks_dataset.Identifier(self.place.models, self.uri, "MODEL")]
            ),
        }

    def _sources(self, feature: UsedFeature) -> Any:
        """The column that a feature is computed from: observations, or the time alone."""
        observed = bool(feature["source_metric_types"])
        subtype = "IDENTITY" if feature["name"] == "value" else "TRANSFORMATION"
        field = self.field("value" if observed else "observed_at", "DIRECT", subtype, feature["transformation"])
        return facets.column_lineage_dataset.Fields([field])

    def field(self, column: str, kind: str, subtype: str, how: str | None = None) -> Any:
        lineage = facets.column_lineage_dataset
        transformation = lineage.Transformation(kind, subtype, how, masking=False)
        return lineage.InputField(self.place.data, self.table("time_series"), column, [transformation])


def _forecasts(version: _Version, request: Request) -> OutputDataset:
    kinds = {
        "series_id": "bigint",
        "cutoff": TIME,
        "target_at": TIME,
        "y_hat": DOUBLE,
        **dict.fromkeys(("lo_80", "hi_80", "lo_95", "hi_95"), DOUBLE),
    }
    source = version.field("value", "DIRECT", "TRANSFORMATION", f"forecast by {version.uri}")
    fields = facets.column_lineage_dataset.Fields([source])
    return OutputDataset(
        version.place.data,
        version.table("model_prediction_results"),
        facets={
            "schema": _columns((name, kind, None) for name, kind in kinds.items()),
            "dataSource": facets.datasource_dataset.DatasourceDatasetFacet("analytics", version.place.data),
            "datasetType": facets.dataset_type_dataset.DatasetTypeDatasetFacet("TABLE"),
            "columnLineage": facets.column_lineage_dataset.ColumnLineageDatasetFacet(
                {name: fields for name, kind in kinds.items() if kind == DOUBLE}
            ),
        },
        outputFacets={
            "outputStatistics": facets.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
                rowCount=request.forecasts
            )
        },
    )


def _purpose(about: str, kind: str) -> dict[str, facets.JobFacet]:
    """The facets of a job: what it does."""
    return {
        "documentation": facets.documentation_job.DocumentationJobFacet(about, "text/plain"),
        "jobType": facets.job_type_job.JobTypeJobFacet("BATCH", "MLOPS", kind),
    }


def _engine(version: str) -> Any:
    """What ran it."""
    return facets.processing_engine_run.ProcessingEngineRunFacet(version, "mlops", __version__)


def _columns(named: Iterable[tuple[str, str, str | None]]) -> Any:
    """The columns of a dataset: name, type and what it is."""
    field = facets.schema_dataset.SchemaDatasetFacetFields
    return facets.schema_dataset.SchemaDatasetFacet(
        [field(name, kind, about, place) for place, (name, kind, about) in enumerate(named, start=1)]
    )


def _subset(conditions: Iterable[tuple[str, str, Sequence[str]]]) -> Any:
    """The part of a dataset for which all conditions hold: a column compares so with one of the values."""
    of = facets.base_subset_dataset

    def compare(column: str, how: str, value: str) -> Any:
        return of.CompareSubsetCondition(of.FieldBaseCompareExpression(column), of.LiteralCompareExpression(value), how)

    def join(conditions: list[Any], operator: str) -> Any:
        return reduce(lambda left, right: of.BinarySubsetCondition(left, right, operator), conditions)

    each = [join([compare(name, how, value) for value in values], "OR") for name, how, values in conditions if values]
    return of.InputSubsetInputDatasetFacet(join(each, "AND"))


def _start_and_end(
    run: Run, job: Job, began: datetime, ended: datetime, inputs: list[InputDataset], outputs: list[OutputDataset]
) -> Iterator[RunEvent]:
    yield RunEvent(eventType=RunState.START, eventTime=_text(began), run=run, job=job, inputs=inputs)
    yield RunEvent(
        eventType=RunState.COMPLETE, eventTime=_text(ended), run=run, job=job, inputs=inputs, outputs=outputs
    )


def _about(feature: UsedFeature) -> str:
    weight = "" if feature["importance"] is None else f"; {feature['importance']:.2%} of the importance"
    return f"{feature['name']} version {feature['version']}: {feature['description']}{weight}"


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat()


def _server(url: str, port: int) -> str:
    """HOST:PORT of a URL; libpq's may name both as parameters."""
    parts = urlsplit(url)
    named = parse_qs(parts.query)
    host = parts.hostname or named.get("host", [""])[0]
    given = parts.port or named.get("port", [str({"http": 80, "https": 443}.get(parts.scheme, port))])[0]
    return f"{'localhost' if not host or host.startswith('/') else host}:{given}"
