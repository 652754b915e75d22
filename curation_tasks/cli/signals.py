"""`curate signals`: what rules can bound."""

from __future__ import annotations

from typing import Annotated

import typer

from curation_tasks.cli import options
from curation_tasks.cli.output import print_json, print_table


def signals(
    rules: Annotated[str | None, typer.Option("--rules", help="Only the rules of this shipped set, with their bounds.")] = None,
    json_: options.Json = False,
) -> None:
    """List the signals of filters.quality with their formulas, or the rules of a set.

    [bold]Examples[/]:

      curate signals
      curate signals --rules nemo_english
    """
    from curation_tasks.errors import ConfigError, did_you_mean
    from curation_tasks.filters.rule_files import load_shipped, shipped_rule_sets
    from curation_tasks.filters.signals import SIGNALS

    if rules is not None and rules not in shipped_rule_sets():
        raise ConfigError(f"no rule set is called {rules!r}; {did_you_mean(rules, shipped_rule_sets())}")
    if rules is not None:
        columns = ["signal", "min", "max", "source"]
        rows = [[rule.signal, rule.min, rule.max, rule.source] for rule in load_shipped(rules).rules]
        rows += [[name, None, None, "recorded without a bound"] for name in load_shipped(rules).signals]
    else:
        columns = ["signal", "formula", "meaning", "source"]
        rows = [[signal.name, str(signal.formula), signal.meaning, signal.source] for signal in SIGNALS.values()]
    if json_:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    print_table(rules or "", columns, [["" if value is None else str(value) for value in row] for row in rows])


def register(application: typer.Typer) -> None:
    application.command("signals")(signals)
