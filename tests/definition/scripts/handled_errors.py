"""What can go wrong is told apart by fields; a table that kernels look up in."""

import polars as pl

import dataflare_vec as dfv

PRICES = dfv.table(pl.DataFrame({"code": ["A", "B"], "price": [1.5, 2.5]}), key="code", value="price")


@dfv.plugin
def price_of(code: str) -> float:
    price: float = PRICES[code]
    return price


def attempt(frame: pl.DataFrame) -> str:
    try:
        return str(frame.pipe(dfv.apply, price_of)["price_of"].sum())
    except dfv.ColumnNotFoundError as error:
        return f"{error.plugin} wants {error.column}"
    except dfv.RowError as error:
        first: int = error.rows[0]
        return f"row {first}: {error.reason}"
    except dfv.DataFlareError as error:
        return error.hint or str(error)


assert attempt(pl.DataFrame({"code": ["A", "B"]})) == "4.0"
assert attempt(pl.DataFrame({"cod": ["A"]})) == "price_of wants code"
assert attempt(pl.DataFrame({"code": ["A", "Z"]})).startswith("row 1: ")

library: dfv.PluginLibrary | None = None
names: list[str] = [plugin.name for plugin in dfv.plugins() if plugin.info.author == "dataflare_vec"]
assert library is None
assert "haversine" in names
