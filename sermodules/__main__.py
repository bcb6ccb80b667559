"""The command line: ``sermodules corpora``, ``study``, ``claims``, ``parameters``."""

import dataclasses
import sys
from pathlib import Path

import click
from tabulate import tabulate

from sermodules import __version__
from sermodules.errors import SermodulesError


class _Group(click.Group):
    """A group whose commands end with a message instead of a traceback where the user can mend the error."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except SermodulesError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(1)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sermodules")
def main():
    """Speech emotion recognition after Bhushan, Fahad et al. (2022): corpora, studies and their reports."""


@main.group("corpora", invoke_without_command=True)
@click.pass_context
def corpora_group(ctx):
    """List the corpora: found or not, where, under which licence, and how to get them."""
    if ctx.invoked_subcommand:
        return
    from sermodules import corpora

    for row in corpora.status():
        click.echo(f"{row['name']}: {row['title']}")
        click.echo(f"  found    {row['found'] or row['problem'] or 'no'}")
        click.echo(f"  licence  {row['licence']}")
        click.echo(f"  source   {row['source']}")
        click.echo(f"  to get   {row['get']}\n")


@corpora_group.command()
@click.argument("name", type=click.Choice(["emodb"]))
@click.option("--to", "folder", type=click.Path(path_type=Path), help="Folder to put it in; data/NAME unless given.")
def get(name, folder):
    """Download an open corpus, check it and unpack it."""
    from sermodules.corpora import emodb
    from sermodules.paths import project_root

    click.echo(f"{name} is in {emodb.get(folder or project_root() / 'data' / name)}")


@corpora_group.command()
@click.argument("name", type=click.Choice(["synthetic", "synthetic-gender-irrelevant", "synthetic-gender-decisive"]))
def make(name):
    """Make a synthetic corpus, if it is not there yet."""
    from sermodules import corpora

    table = corpora.load(name)
    click.echo(f"{name} is in {corpora.find(name)}: {len(table)} utterances of {table['speaker'].nunique()} speakers")


@main.group()
def study():
    """Run a study file, see how far it is, and report it."""


def _numbers(ctx, parameter, value):
    try:
        return value and [int(item) for item in value.split(",")]
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a list of whole numbers such as 1,2,3") from None


def _study_options(command):
    for option in (
        click.argument("file", type=click.Path(path_type=Path)),
        click.option(
            "--out", type=click.Path(path_type=Path), help="Folder of runs; runs/ of the project unless given."
        ),
        click.option("--folds", callback=_numbers, help="Only these folds, e.g. 1,2."),
        click.option("--seeds", callback=_numbers, help="Only these seeds, e.g. 1."),
    ):
        command = option(command)
    return command


@study.command("run")
@_study_options
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Processes at a time.")
def study_run(file, out, folds, seeds, workers):
    """Do the runs of a study that are missing."""
    from sermodules import study as engine

    plan = engine.load(file, folds, seeds)
    try:
        failed = engine.run(plan, out, workers, report=click.echo)
    except KeyboardInterrupt:
        click.echo(f"\nStopped. Finished runs are kept. Go on with: sermodules study run {file}", err=True)
        sys.exit(130)
    if failed:
        click.echo(f"{len(failed)} runs failed; the others are done. Start the study again to retry them.", err=True)
        sys.exit(1)


@study.command("status")
@_study_options
def study_status(file, out, folds, seeds):
    """Say which configurations are done."""
    from sermodules import study as engine
    from sermodules.paths import runs_root

    out = out or runs_root()
    table = engine.status(engine.load(file, folds, seeds, out), out)
    click.echo(tabulate(table, headers="keys", showindex=False))
    click.echo(f"{table['done'].sum()} of {table['runs'].sum()} runs are done")


@study.command("report")
@_study_options
@click.option(
    "--to", "folder", type=click.Path(path_type=Path), help="Folder of the report; OUT/reports/NAME unless given."
)
def study_report(file, out, folds, seeds, folder):
    """Print the paper's tables beside ours and the claims ledger, and write them as Markdown, CSV and a figure."""
    from sermodules import report
    from sermodules import study as engine
    from sermodules.paths import runs_root

    out = out or runs_root()
    plan = engine.load(file, folds, seeds, out)
    folder = folder or out / "reports" / plan.name
    text = report.write(engine.results(plan, out), folder, plan)
    click.echo(text)
    click.echo(f"The report is in {folder}")


@main.command("claims")
def paper_claims():
    """Judge the claims of the paper that its own figures decide."""
    from sermodules import claims

    found = claims.ledger()
    click.echo(claims.to_markdown(found[found["kind"] == "arithmetic"]))


@main.command()
def parameters():
    """List every setting of a run: its default and what it may be."""
    from sermodules.config import RunConfig

    rows = []
    for f in dataclasses.fields(RunConfig):
        allowed = ", ".join(f.metadata.get("choices", [])) or "true, false" * (f.type is bool)
        if limits := f.metadata.get("range"):
            allowed = " to ".join(f"{limit:,}" for limit in limits)
        rows.append([f.name, f.default, allowed, f.metadata["doc"]])
    click.echo(
        tabulate(rows, headers=["parameter", "default", "allowed", "meaning"], maxcolwidths=[None, None, 34, 60])
    )
    click.echo(
        "Defaults are those of the paper, or our reading of it, for model2 at preset paper. Models and presets change some. "
        "[n]: a row of the deviation log."
    )


if __name__ == "__main__":
    main()
