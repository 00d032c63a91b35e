"""Spark, classic and Connect: batches are tables of PyArrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dataflare_vec.distributed.batches import arrays_of, structs_of
from dataflare_vec.distributed.places import FILE, PART, ROW
from dataflare_vec.distributed.spark_streams import carried, joined
from dataflare_vec.exceptions import BindingError
from dataflare_vec.interop import column_names
from dataflare_vec.interop.arrow import empty_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dataflare_vec.distributed.work import Work


class _Spark:
    name = "Spark"
    extra = "spark"

    def empty(self, data: Any) -> Any:
        """Return a table without rows with the columns of a data frame, instants in the session's zone."""
        from pyspark.sql.pandas.types import to_arrow_schema

        zone = data.sparkSession.conf.get("spark.sql.session.timeZone")
        return empty_table(to_arrow_schema(data.schema, timezone=zone))

    def map(self, data: Any, work: Work) -> Any:
        """Return what work makes of each part.

        Where rows stay and columns are added, only those that are read go to Python: the way there costs
        Spark more than a kernel. Where all are read, Spark has less to do for whole rows: it need not keep
        them until what is new comes back.
        """
        narrow = work.narrow()
        if narrow is None or len(narrow.reads) == len(data.columns):
            return _mapped(data, work, joined)
        from pyspark.sql.functions import ArrowUDFType, arrow_udf, col

        output = _spark_schema(narrow.output)
        is_one = len(output.fields) == 1  # structs take Spark longer
        returned = output[0].dataType if is_one else output
        function = arrow_udf(_function(narrow, output), returned, ArrowUDFType.SCALAR)
        added = function(*[col(_quoted(name)) for name in narrow.reads])
        if is_one:
            return data.select("*", added.alias(output[0].name))
        columns = [added.getField(field.name).alias(field.name) for field in output]
        return data.select("*", *columns)

    def group(self, data: Any, keys: Sequence[str], work: Any) -> Any:
        """Return what work makes of partitions in which all rows of a key are."""
        plain = [_plain(data, name) for name in keys]
        if data.isStreaming:
            return carried(data, plain, work, _spark_schema(work.output))
        return _mapped(data.repartition(*plain), work, _whole)

    def together(self, data: Any, work: Any) -> Any:
        """Return what work makes of all rows in one part, of which `coalesce` would make the parts before."""
        if data.isStreaming:
            return carried(data, [], work, _spark_schema(work.output))
        return _mapped(data.repartition(1), work, _whole)

    def union(self, data: Any, batch: Any) -> Any:
        """Return the rows of a data frame and of a table."""
        more = data.sparkSession.createDataFrame(_as(batch, data.schema), data.schema)
        return data.union(more)

    def placed(self, data: Any) -> Any:
        """Return rows with where they are from.

        A number of Spark's has the partition in its upper 31 bits and the row in its lower 33.

        Raises
        ------
        BindingError
            If the rows are a stream's.
        """
        from pyspark.sql import functions as f

        if data.isStreaming:
            msg = "a stream of Spark has no end at which its failed rows could be complete"
            raise BindingError(msg, argument="errors", hint="in `foreachBatch`, call `dfv.run(batch, …)`")
        number = f.monotonically_increasing_id()
        places = [f.shiftright(number, 33).alias(PART), number.bitwiseAND(f.lit((1 << 33) - 1)).alias(ROW)]
        return data.select("*", f.nullif(f.input_file_name(), f.lit("")).alias(FILE), *places)

    def collect(self, data: Any) -> Any:
        """Return all rows as a table.

        Raises
        ------
        KeyboardInterrupt
            If that is what ended it: Spark's own error, that a job was cancelled, comes in its place.
        """
        try:
            return data.toArrow()
        except Exception as error:
            cause: BaseException | None = error
            while cause is not None:
                if isinstance(cause, KeyboardInterrupt):
                    raise cause from None
                cause = cause.__context__
            raise


def _mapped(data: Any, work: Work, batches: Callable[[Iterator[Any], Any], Iterator[Any]]) -> Any:
    schema = _spark_schema(work.output)

    def run(parts: Iterator[Any]) -> Iterator[Any]:
        for table in work.over(batches(parts, work.empty)):
            yield from _as(table, schema).to_batches()

    return data.mapInArrow(run, schema)


def _whole(parts: Iterator[Any], empty: Any) -> Iterator[Any]:
    """Yield one batch of all rows, if there are any."""
    import pyarrow as pa

    batches = list(parts)
    if batches:
        yield pa.Table.from_batches(batches)


def _function(work: Work, schema: Any) -> Callable[..., Any]:
    """Return work as a function of Arrow arrays, which gives one, or structs of several."""
    names = column_names(work.empty)

    def compute(*columns: Any) -> Any:
        import pyarrow as pa

        table = _as(work(pa.table(list(columns), names=names)), schema)
        return arrays_of(table)[0] if table.num_columns == 1 else structs_of(table)

    compute.__name__ = work.__name__
    return compute


def _spark_schema(empty: Any) -> Any:
    """Return Spark's schema of a table; types that it hasn't become those that hold their values."""
    import pyarrow as pa
    from pyspark.sql.pandas.types import from_arrow_schema

    fields = [field.with_type(_held(field.type)) for field in empty.schema]
    return from_arrow_schema(pa.schema(fields), prefer_timestamp_ntz=True)


def _held(kind: Any) -> Any:
    """Return the type of Arrow in which Spark holds values of another."""
    import pyarrow as pa

    wider = {
        pa.uint8(): pa.int16(),
        pa.uint16(): pa.int32(),
        pa.uint32(): pa.int64(),
        pa.uint64(): pa.decimal128(20, 0),
        pa.float16(): pa.float32(),
    }
    if kind in wider:
        return wider[kind]
    types = pa.types
    if types.is_dictionary(kind):
        return _held(kind.value_type)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return pa.list_(_held(kind.value_type))
    if types.is_struct(kind):
        return pa.struct([field.with_type(_held(field.type)) for field in kind])
    if types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    if types.is_duration(kind):
        return pa.duration("us")
    return kind


def _as(table: Any, schema: Any) -> Any:
    """Return a table with the types that Spark wants for a schema."""
    from pyspark.sql.pandas.types import to_arrow_schema

    return table.cast(to_arrow_schema(schema, timezone="UTC"))


def _plain(data: Any, name: str) -> Any:
    """Return a key by which rows are sent: NaN equals NaN, and -0.0 equals 0.0."""
    from pyspark.sql import functions
    from pyspark.sql.types import DoubleType, FloatType

    key = functions.col(_quoted(name))
    if not isinstance(data.schema[name].dataType, (DoubleType, FloatType)):
        return key
    return functions.when(functions.isnan(key), functions.lit(float("nan"))).otherwise(key + 0.0)


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


ENGINE = _Spark()
