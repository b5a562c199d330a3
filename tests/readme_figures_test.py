#!/usr/bin/env python3
"""Reads the figures of README.md against the files that they come from.

A section names its figures in a comment, one a line under the file that holds them:

    <!-- figures
    experiments/NAME/result.json
      9.7 % = /summary/ours/median_step_error
      1.76 times = /rows/1/samples_per_second : /rows/2/samples_per_second
    -->

`A : B` is a ratio. The value, in the unit and with the digits of the text, must be the text; a text without a sign gives a size. In a
section, each number with a unit needs such a line and each line a number. Code and what stands between `<!-- output: begin -->` and
`<!-- output: end -->` are examples and are left out.

usage: readme_figures_test.py REPOSITORY | --self-test
"""
import json
import pathlib
import re
import sys
import tempfile

SCALES = {"": 1, "%": 100, "ms": 1e3, "us": 1e6, "s": 1, "times": 1, "x": 1, "MB": 1e-6, "GB": 1e-9}
FIGURE = re.compile(r"(?<![\w.,-])([+-]?\d+(?:[.,]\d+)*)\s*(%|ms\b|us\b|s\b|times\b|x\b|MB\b|GB\b)")
LISTS = re.compile(r"<!-- figures\n(.*?)-->", re.S)


def sections(readme):
    """The text of each heading, without examples."""
    text = re.sub(r"<!-- output: begin -->.*?<!-- output: end -->", "", readme, flags=re.S)
    text = re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M)
    text = re.sub(r"^    .*$", "", text, flags=re.M)
    return re.split(r"^(?=#+ )", text, flags=re.M)


def at(document, pointer):
    for key in pointer.split("/")[1:]:
        document = document[int(key) if isinstance(document, list) else key]
    return float(document)


def written(value, figure):
    """`value` as `figure` writes it: its digits, its unit, its sign."""
    number, unit = re.fullmatch(r"([+-]?[\d.]+) ?(\S*)", figure).groups()
    decimals = len(number.partition(".")[2])
    value *= SCALES[unit]
    digits = f"{value:+.{decimals}f}" if number[0] in "+-" else f"{abs(value):.{decimals}f}"
    return f"{digits} {unit}".strip()


def check_list(root, lines, visible):
    faults, listed, file, document = [], set(), "", None
    for line in filter(str.strip, lines.splitlines()):
        if not line.startswith(" "):
            file = line.strip()
            path = root / file
            document = json.loads(path.read_text()) if path.is_file() else None
            if document is None:
                faults.append(f"{file}: no such file")
            continue
        figure, _, source = (part.strip() for part in line.partition(" = "))
        listed.add(figure)
        if not re.search(rf"(?<![\d.]){re.escape(figure)}(?![\d])", visible):
            faults.append(f"{figure}: is listed, but the section does not say it")
        if document is None:
            continue
        try:
            values = [at(document, pointer) for pointer in source.split(" : ")]
            told = written(values[0] / values[1] if len(values) == 2 else values[0], figure)
        except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
            faults.append(f"{figure}: {file}#{source} cannot be read: {error!r}")
            continue
        if told != figure:
            faults.append(f"{figure}: {file}#{source} says {told}")
    return faults, listed


def faults_of(root, readme):
    faults = []
    for section in sections(readme):
        visible = re.sub(r"\s+", " ", re.sub(r"<!--.*?-->", "", section, flags=re.S))
        listed = set()
        for lines in LISTS.findall(section):
            more, names = check_list(root, lines, visible)
            faults += more
            listed |= names
        for number, unit in FIGURE.findall(visible):
            if f"{number} {unit}" not in listed:
                faults.append(f"{number} {unit}: names no file (section {section.splitlines()[0]!r})")
    return faults


def self_test():
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "r.json").write_text('{"e": 0.0968, "rows": [{"s": 3.0}, {"s": 2}], "bias": -0.123}')
        lists = "\n<!-- figures\n{}\n  {}\n-->\n"
        cases = [  # the text, its list, the number of faults
            ("9.7 % of it", ("r.json", "9.7 % = /e"), 0),
            ("1.50 times", ("r.json", "1.50 times = /rows/0/s : /rows/1/s"), 0),
            ("12.3 % away", ("r.json", "12.3 % = /bias"), 0),
            ("-12.3 % away", ("r.json", "-12.3 % = /bias"), 0),
            ("+12.3 % away", ("r.json", "+12.3 % = /bias"), 1),
            ("9.6 % of it", ("r.json", "9.6 % = /e"), 1),
            ("9.7 % of it", ("r.json", "9.7 % = /f"), 1),
            ("9.7 % of it", ("r.json", "9.7 % = /rows/2/s"), 1),
            ("9.7 % of it", ("gone.json", "9.7 % = /e"), 1),
            ("nothing", ("r.json", "9.7 % = /e"), 1),
            ("9.7 % and 5 %", ("r.json", "9.7 % = /e"), 1),
            ("5 ms in 3 s, 2 GB", ("r.json", ""), 3),
            ("`--steps 3`\n```\n5 ms\n```\n\n    7 GB\n", ("r.json", ""), 0),
            ("<!-- output: begin -->5 ms<!-- output: end -->", ("r.json", ""), 0),
        ]
        for text, given, expected in cases:
            found = faults_of(root, "# A\n" + text + lists.format(*given))
            assert len(found) == expected, (text, given, found)


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    root = pathlib.Path(sys.argv[1])
    faults = faults_of(root, (root / "README.md").read_text())
    print("\n".join(faults))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
