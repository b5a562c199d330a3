#!/usr/bin/env python3
"""Writes the Parquet tables of the package aiconfigurator-core as CSV, which `moesaic import kernel-tables` reads.

By hand, where a profile is to be made anew:
    pip download --no-deps aiconfigurator-core==0.12.0 && unzip -q aiconfigurator_core-*.whl -d package
    pip install pyarrow
    scripts/kernel_tables_to_csv.py package/aiconfigurator_core/systems/data/h200_sxm tables/h200_sxm
"""
import pathlib
import sys

import pyarrow.csv
import pyarrow.parquet

FAMILIES = ("gemm", "moe", "attention", "mla", "mla_bmm", "comm")


def main(source: pathlib.Path, target: pathlib.Path) -> None:
    tables = [file for family in FAMILIES for file in sorted((source / family).glob("**/*.parquet"))]
    if not tables:
        sys.exit(f"{source}: no tables under {', '.join(FAMILIES)}; expected a folder such as systems/data/h200_sxm")
    for file in tables:
        table = pyarrow.parquet.read_table(file)
        for name in table.column_names:
            if any("," in str(value) for value in table[name].unique().to_pylist()):
                table = table.drop_columns([name])  # CSV without quotes: notes, which nothing reads
        written = (target / file.relative_to(source)).with_suffix(".csv")
        written.parent.mkdir(parents=True, exist_ok=True)
        options = pyarrow.csv.WriteOptions(quoting_style="none")
        pyarrow.csv.write_csv(table, written, options)
    print(f"{len(tables)} tables in {target}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
