"""Text: a method, a number out of a listing, a new string, similarity; ASCII and beyond."""

from __future__ import annotations

import polars as pl

import dataflare_vec as dfv

LISTINGS = {
    "ascii": ["3 bds , 2 ba , 1,560 sqft", "2 bds , 1 ba , 980 sqft", "4 bds , 3 ba , 2,310 sqft"],
    "beyond": ["3 Zimmer , Bad , 1,560 sqft – größer", "2 pièces , 980 sqft", "4 部屋 , 2,310 sqft"],
}
ROWS = 300_000


def square_feet(listing: str):
    end = listing.find(" sqft")
    return int(listing[listing.rfind(" ", 0, end) + 1 : end].replace(",", ""))


def shouted(listing: str):
    return listing.upper() + "!"


def is_large(listing: str):
    return "2," in listing


class Listings:
    params = (["ascii", "beyond"],)
    param_names = ("text",)

    def setup(self, text):
        self.frame = pl.DataFrame({"listing": LISTINGS[text] * (ROWS // 3)})
        self.number = dfv.register("square_feet", square_feet, replace=True)
        self.upper = dfv.register("shouted", shouted, replace=True)
        self.contains = dfv.register("is_large", is_large, plugin_type="filter", replace=True)
        for plugin in (self.number, self.upper, self.contains):
            dfv.apply(self.frame, plugin)

    def time_number(self, text):
        dfv.apply(self.frame, self.number)

    def time_upper(self, text):
        dfv.apply(self.frame, self.upper)

    def time_contains(self, text):
        dfv.apply(self.frame, self.contains)

    def peakmem_upper(self, text):
        dfv.apply(self.frame, self.upper)


class Similarity:
    params = (["levenshtein", "jaro_winkler", "soundex"],)
    param_names = ("kernel",)

    def setup(self, kernel):
        names = [
            "united air lines",
            "untied airlines",
            "jetblue airways",
            "jet blue",
            "skywest",
            "sky west inc",
        ]
        columns = {"a": names * (ROWS // 6), "b": names[::-1] * (ROWS // 6)}
        self.frame = pl.DataFrame({"word": columns["a"]} if kernel == "soundex" else columns)
        dfv.apply(self.frame, kernel)

    def time_apply(self, kernel):
        dfv.apply(self.frame, kernel)
