#!/usr/bin/env python3
"""Counts the results of a ctest JUnit file: prints `N passed, N failed[, N skipped]`, exits 1 unless all went well.

Usage: count_tests.py JUNIT.xml MORE_FAILED, where MORE_FAILED counts failures outside the file, such as a failed build.
"""
import sys
import xml.etree.ElementTree as ElementTree


def outcome(case):
    """passed, failed or skipped. A program that was never built has not run either, but that is a failure."""
    if case.get("status") == "run":
        return "passed"
    reason = case.find("skipped")
    if case.get("status") == "disabled" or (reason is not None and reason.get("message", "").startswith("SKIP_")):
        return "skipped"
    return "failed"


def main(path, more_failed):
    counts = {"passed": 0, "failed": int(more_failed), "skipped": 0}
    try:
        cases = ElementTree.parse(path).getroot().findall("testcase")
    except (OSError, ElementTree.ParseError) as error:
        print(f"no test results: {error}", file=sys.stderr)
        cases = []
    for case in cases:
        counts[outcome(case)] += 1
    if not any(counts.values()):
        counts["failed"] = 1  # nothing ran: that is no success
    skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    print(f"{counts['passed']} passed, {counts['failed']} failed{skipped}")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
