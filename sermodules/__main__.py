"""The command line: ``sermodules`` with `doctor`, `corpora`, `run`, `train`, `predict`, `study`, `claims`, `parameters`."""

import dataclasses
import json
import os
import shlex
import sys
import warnings
from functools import partial
from pathlib import Path

import click
from tabulate import tabulate

from sermodules import __version__
from sermodules.errors import SermodulesError
from sermodules.files import refusal


class _Group(click.Group):
    """A group whose commands end with a message instead of a traceback where the user can mend the error."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except SermodulesError as error:
            click.echo(f"Error: {error}", err=True)
        except PermissionError as error:
            click.echo(f"Error: {refusal(error)}.", err=True)
        ctx.exit(1)


def _begin(text):
    """Say at once what begins, before the imports that it needs: they can take seconds. It is no part of the output."""
    click.echo(f"{text} ...", err=True)


def _warn(usual, said, message, category, *rest):
    """Say what the package warns of without the line of code that warns; of others' warnings that line is needed.

    What is in `said` is not said again: a study reads a corpus several times.
    """
    if category is UserWarning:
        if str(message) not in said:
            said.add(str(message))
            click.echo(f"Warning: {message}", err=True)
    else:
        usual(message, category, *rest)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sermodules")
def main():
    """Speech emotion recognition after Bhushan, Fahad et al. (2022): corpora, studies and their reports.

    If something does not work: sermodules doctor.
    """
    os.environ["MPLBACKEND"] = "agg"  # figures go into files, whatever this shell says
    warnings.showwarning = partial(_warn, warnings.showwarning, set())


_skip_unusable = click.option(
    "--skip-unusable", "more", is_flag=True, callback=lambda ctx, option, value: {"unusable": "skip"} if value else {},
    help="Go on without recordings that cannot be used, as `unusable: skip` does in the settings.",
)  # fmt: skip


@main.group("corpora", invoke_without_command=True)
@click.pass_context
def corpora_group(ctx):
    """List the corpora: found or not, where, under which licence, and how to get them."""
    if ctx.invoked_subcommand:
        return
    _begin("looking for the corpora")
    from sermodules import corpora

    for row in corpora.status():
        click.echo(f"{row['name']}: {row['title']}")
        click.echo(f"  found    {row['found'] or row['problem'] or 'no'}")
        click.echo(f"  licence  {row['licence']}")
        click.echo(f"  source   {row['source']}")
        click.echo(f"  to get   {row['get']}\n")


@corpora_group.command()
@click.argument("name")
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path),
    help="Folder to put it in; NAME in $SERMODULES_DATA or data/ unless given.",
)
def get(name, folder):
    """Download an open corpus, check it and unpack it: emodb or ravdess. Of any other, say how to get it."""
    _begin(f"getting {name}")
    from sermodules import corpora

    click.echo(f"{name} is in {corpora.get(name, folder)}")


@corpora_group.command()
@click.argument("name", type=click.Choice(["synthetic", "synthetic-gender-irrelevant", "synthetic-gender-decisive"]))
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path),
    help="Folder to make it in; NAME in $SERMODULES_DATA or data/ unless given.",
)
def make(name, folder):
    """Make a synthetic corpus, if it is not there yet."""
    _begin(f"looking for {name}, or making it, which takes about a minute")
    from sermodules import corpora
    from sermodules.paths import data_roots

    place = corpora.make(name, folder)
    table = corpora.load(name, place)
    click.echo(f"{name} is in {place}: {len(table)} utterances of {table['speaker'].nunique()} speakers")
    if place not in [root / name for root in data_roots()]:
        click.echo(f"It is found there if the folder is called {name} and SERMODULES_DATA is {place.parent}")


@corpora_group.command()
@click.argument("name")
@click.option("--groups", type=int, help="Leave out so many groups of speakers.")
@click.option("--split", help="Leave out sessions, or what the column part or fold says.")
@click.option("--validation", help="partner or next.")
@click.option("--seed", type=int, help="The seed that draws the groups.")
@click.option("--classes", help="Choose and merge classes: happy=happy+excited,angry.")
@_skip_unusable
def check(name, more, **settings):
    """Read a corpus and all its recordings; say what is in it, what is doubtful, and which folds it gives.

    NAME is a corpus, table:FILE.csv, or the file itself.
    """
    _begin(f"reading {name}")
    from sermodules import corpora
    from sermodules.config import RunConfig
    from sermodules.corpora import bandwidth, overview, unusable
    from sermodules.folds import protocol

    if name not in corpora.CORPORA and not name.startswith(corpora.TABLE) and Path(name).exists():
        name = f"{corpora.TABLE}{name}"
    config = RunConfig.create(corpus=name, **settings, **more)
    table = corpora.load(**config.reading)
    for line in overview.columns(table):
        click.echo(line)
    unusable.check(table)
    people = table.drop_duplicates("speaker")
    genders = ", ".join(f"{count} {gender}" for gender, count in people["gender"].value_counts().items())
    sessions = people.loc[people["session"] != "", "session"].nunique()
    click.echo(f"{name}: {len(table)} utterances, {len(people)} speakers ({genders}), {sessions} sessions")
    counts = (
        table.groupby(["speaker", "gender"])["emotion"].value_counts().unstack(fill_value=0)[corpora.classes(table)]
    )
    click.echo(tabulate(counts.reset_index(), headers="keys", showindex=False, disable_numparse=True))
    click.echo(overview.recordings(table))
    click.echo("\n".join(bandwidth.describe(table, bandwidth.measure(table))))
    doubts = overview.doubts(table)
    click.echo("doubtful:\n  " + "\n  ".join(doubts) if doubts else "nothing is doubtful")
    every = protocol.folds(table, **config.division)
    click.echo(protocol.describe(every, **config.division))
    for fold in every:
        validating = ", ".join(fold.validation) or "nobody"
        click.echo(f"  fold {fold.number}: tests {', '.join(fold.test)}; validates: {validating}")


def _run_options(command):
    for option in (
        _skip_unusable,
        click.argument("config", type=click.Path(path_type=Path), required=False),
        click.option(
            "-p",
            "given",
            nargs=2,
            multiple=True,
            metavar="NAME VALUE",
            help="A setting; wins over CONFIG's. Any number.",
        ),
    ):
        command = option(command)
    return command


@main.command("run")
@_run_options
@click.option("--out", type=click.Path(path_type=Path), help="Folder of runs; runs/ of the project unless given.")
@click.option("--keep-model", is_flag=True, help="Keep the model beside the run, for `sermodules predict`.")
def one_run(config, given, out, keep_model, more):
    """Do one run: train on a fold, test it, store it. CONFIG is a file of settings, such as a run's config.json."""
    _begin("reading the settings, and starting")
    from sermodules.config import file
    from sermodules.paths import runs_root

    config, out = file.read(config, given).replace(**more), out or runs_root()
    config.check_keeping(keep_model)
    from sermodules import inference, runs

    result = runs.run(config, out, keep=inference.keep if keep_model else None)
    click.echo(
        f"UAR {100 * result.metrics['uar']:.1f} %   WA {100 * result.metrics['wa']:.1f} %   n = {result.metrics['n']}"
    )


@main.command()
@_run_options
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Where the model gets its folder; runs/models of the project unless given.",
)
def train(config, given, out, more):
    """Train a model for use, not for a score: it learns from all speakers but those who choose the epoch.

    CONFIG is a file of settings, such as a run's config.json. Its fold says who chooses.
    """
    _begin("reading the settings, and starting")
    from sermodules.config import file

    config = file.read(config, given).replace(**more)
    from sermodules import inference

    folder = inference.train(config, out)
    click.echo("Nobody tested this model: it is for use, and has no score.")
    click.echo(f"The model is in {folder}")


@main.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("recordings", metavar="RECORDING...", nargs=-1, required=True)
@click.option(
    "--csv", "target", type=click.Path(path_type=Path), help="Write the posteriors here, and do not show them."
)
@click.option("--segments", is_flag=True, help="Also a row a segment: shown below, or in FILE.segments.csv.")
@click.option(
    "--gender",
    type=click.Choice(["female", "male", "unknown"]),
    default="unknown",
    help="Of whoever speaks, if no table says it.",
)
@click.option("--speaker", default="", metavar="NAME", help="Who speaks, for a model that standardises by speaker.")
@click.option(
    "--enrol", type=click.Path(path_type=Path), help="Recordings from which it knows the voice; not predicted."
)
def predict(model, recordings, target, segments, **told):
    """Ask a kept model about recordings: audio files, folders, or a table (CSV with a column path).

    MODEL is the folder of a run that was done with keep_model, or what `sermodules train` made. A table may have the columns
    utterance, speaker, gender, start, end and channel.
    """
    _begin(f"loading {model}")
    from sermodules import corpora
    from sermodules.runs import store

    folder = store.find_model(model)  # before anything that takes its time
    if not any(Path(name.removeprefix(corpora.TABLE)).expanduser().exists() for name in recordings):
        others = f", nor {len(recordings) - 1} more" if len(recordings) > 1 else ""
        raise SermodulesError(
            f"there is no {recordings[0]}{others} in {Path.cwd()}: a relative path counts from there."
        )
    from sermodules.inference import load

    answer = load(folder).ask(recordings, **told)
    for line in (*answer.notes, *(f"Warning: {line}" for line in answer.doubts)):
        click.echo(line, err=True)
    _show(answer.utterances, target)
    if segments:
        _show(answer.segments, target and target.with_suffix(".segments.csv"))
    if answer.complaints:
        listed = "\n  ".join(answer.complaints)
        raise SermodulesError(f"{len(answer.complaints)} recordings are left out:\n  {listed}")


def _show(table, target):
    """Print a table of predictions, or write it."""
    if target is None:
        shown = table.loc[:, ~table.isin(["", "unknown"]).all()]
        click.echo(tabulate(shown, headers="keys", showindex=False, floatfmt=".3f"))
        return
    try:
        table.to_csv(target, index=False, float_format="%.8f", lineterminator="\n")
    except OSError as error:
        raise SermodulesError(f"cannot write {target}: {error.strerror}. Name another file with --csv.") from error
    click.echo(f"{len(table)} rows are in {target}")


@main.group()
def study():
    """Run a study file, see how far it is, report it, and publish its runs."""


def _numbers(ctx, parameter, values):
    text = ",".join(values)
    try:
        return [int(item) for item in text.split(",")] if values else None
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a list of whole numbers such as 1,2,3") from None


def _study_options(command):
    for option in (
        _skip_unusable,
        click.argument("file", type=click.Path(path_type=Path)),
        click.option(
            "--out", type=click.Path(path_type=Path), help="Folder of runs; runs/ of the project unless given."
        ),
        click.option("--folds", callback=_numbers, multiple=True, help="Only these folds, e.g. 1,2."),
        click.option("--seeds", callback=_numbers, multiple=True, help="Only these seeds, e.g. 1."),
    ):
        command = option(command)
    return command


@study.command("run")
@_study_options
@click.option("--workers", type=click.IntRange(1), help="Processes at a time; by the number of cores unless given.")
@click.option("--scheduler", metavar="ADDRESS", help="Dask scheduler of a cluster, e.g. tcp://10.0.0.1:8786.")
@click.option("--scheduler-file", type=click.Path(path_type=Path), help="Its scheduler file, instead.")
@click.option(
    "--notebooks/--no-notebooks", default=True, help="Keep an executed notebook of each run; same predictions."
)
@click.option("--retry-failed", is_flag=True, help="Do runs again that failed before.")
@click.option("--redo", is_flag=True, help="Set damaged runs aside in OUT/damaged and do them again.")
@click.option("--mix", is_flag=True, help="Go on with other code, backend or versions than those of finished runs.")
@click.option("--redo-other", is_flag=True, help="Set these aside in OUT/other and do them again.")
@click.option("--incomplete", is_flag=True, help="Do the runs on a copy of IEMOCAP that is not the full corpus.")
def study_run(file, out, folds, seeds, more, **options):
    """Do the runs of a study that are missing."""
    _begin(f"reading {file} and the runs that are done")
    from tqdm import tqdm

    from sermodules.study import driver, grid

    plan, command = grid.load(file, folds, seeds, more=more), shlex.join(["sermodules", *sys.argv[1:]])
    with tqdm(total=len(plan.configs), unit="run", disable=None, leave=False, file=sys.stdout) as bar:

        def watch(state):
            bar.n = state["done"] + state["failed"]
            bar.set_postfix_str(f"{len(state['running'])} running, {state['failed']} failed {state['last']}")

        def tell(line):
            with bar.external_write_mode():
                click.echo(line)

        try:
            failed = driver.run(plan, out, tell=tell, watch=watch, **options)
        except driver.Mixture as error:
            ways = f"Go on with what is here now:\n  {command} --mix\nDo the others again:\n  {command} --redo-other"
            raise SermodulesError(f"{error}\n{ways}") from error
        except driver.Incomplete as error:
            raise SermodulesError(f"{error} Unpack it again, or go on with it:\n  {command} --incomplete") from error
        except KeyboardInterrupt:
            click.echo(f"\nStopped. Finished runs are kept. Go on with: {command}", err=True)
            sys.exit(130)
    if failed:
        click.echo(f"{len(failed)} of {len(plan.configs)} runs failed. --retry-failed does them again.", err=True)
        sys.exit(1)


@study.command("status")
@_study_options
@click.option("--verify", is_flag=True, help="Also check every file of every finished run against its digest.")
def study_status(file, out, folds, seeds, verify, more):
    """Say which configurations are done, and what is running."""
    _begin(f"reading {file}")
    from sermodules.paths import runs_root
    from sermodules.study import driver, grid, progress

    out = out or runs_root()
    plan = grid.load(file, folds, seeds, out, more)
    table = progress.status(plan, out)
    click.echo(tabulate(table, headers="keys", showindex=False))
    if plan.unread:
        click.echo(f"{table['done'].sum()} runs are done. How many there should be, nobody can tell:")
        click.echo("\n".join(plan.unread))
    else:
        click.echo(f"{table['done'].sum()} of {table['runs'].sum()} runs are done")
    if state := progress.running(out):
        left = "" if state["left_s"] is None else f", {progress.clock(state['left_s'])} left"
        click.echo(f"study {state['study']} is running: {state['done']} done, {state['failed']} failed{left}")
        for name in state["running"]:
            click.echo(f"  now: {name}")
    if verify:
        _begin(f"reading every file of {table['done'].sum()} runs")
        problems, notes = driver.verify(plan, out), driver.notes(plan, out)
        click.echo("\n".join(problems) or "Every file of every finished run is what was written.")
        for note in notes:
            click.echo(f"Note: {note}")
        sys.exit(1 if problems else 0)


@study.command("report")
@_study_options
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path),
    help="Folder of the report; OUT/reports/NAME (with --plain NAME-plain) unless given.",
)
@click.option(
    "--plain", is_flag=True, help="Only these runs: no figure of the paper, and no claim that they do not test."
)
def study_report(file, out, folds, seeds, folder, more, plain):
    """Print the paper's tables beside ours and the claims ledger, and write them as Markdown, CSV, LaTeX and a figure.

    FILE may also be a folder of published runs, such as results/NAME.
    """
    _begin(f"reading {file} and its runs")
    from sermodules.evidence import report
    from sermodules.paths import runs_root
    from sermodules.study import driver, grid, published

    out = out or runs_root()
    if file.is_dir():
        plan = published.plan(file, folds, seeds)
        wanted = set(plan.configs)
        results = [result for result in published.load(file) if result.config in wanted]
    else:
        plan = grid.load(file, folds, seeds, out, more)
        results = driver.results(plan, out)
    if plan.registration and (folds or seeds):
        raise SermodulesError(
            f"the study {plan.name} is registered, so it is reported whole: leave out --folds and --seeds"
        )
    folder = folder or out / "reports" / (plan.name + "-plain" * plain)
    text = report.write(results, folder, plan, tell=_begin, plain=plain)
    click.echo(text)
    click.echo(f"The report is in {folder}")


@study.command("publish")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder of runs; runs/ of the project unless given.")
@click.option(
    "--to", "folder", type=click.Path(path_type=Path), help="Folder to publish in; results/NAME unless given."
)
@click.option("--replace", is_flag=True, help="Replace published runs that differ; drop those that the study has not.")
def study_publish(file, out, folder, replace):
    """Put the finished runs of a study into one folder of few text files, beside those that it holds already.

    FILE may also be a folder of published runs, such as results/NAME: it is written again, in the form of today.
    """
    if file.is_dir() and folder:
        raise click.UsageError(f"{file} is a folder of published runs, which stay in it: leave out --to")
    _begin(f"reading {file} and its runs")
    from sermodules import corpora
    from sermodules.paths import project_root, runs_root
    from sermodules.study import grid, origins, published

    if file.is_dir():
        plan, file, folder = published.plan(file), file / "study.yaml", file
    else:
        plan = grid.load(file)
    folder = (folder or project_root() / "results" / plan.name).expanduser().resolve()
    closed = corpora.closed(config.corpus for config in plan.configs)
    if closed and folder.is_relative_to(project_root().resolve()):
        raise SermodulesError(
            f"nothing made from {' and '.join(closed)} may be passed on, and {folder} lies in the project: "
            "name a folder outside the project with --to"
        )
    added = published.publish(plan, file, out or runs_root(), folder, replace)
    click.echo(f"{folder}: {len(added)} runs added; {_extent(folder)}")
    for line in origins.lines(published.load(folder)):
        click.echo(f"  {line}")


@study.command("verify")
@click.argument("folder", type=click.Path(path_type=Path))
def study_verify(folder):
    """Compute every figure of a published study anew from its predictions."""
    _begin(f"reading {folder}")
    from sermodules.study import published

    if problems := published.verify(folder):
        raise SermodulesError("\n".join(problems))
    click.echo(f"{folder}: {_extent(folder)}. All digests, run ids and figures were recomputed and agree.")


def _extent(folder):
    """Say how much a published study holds, and what it lacks."""
    from sermodules.study import published

    results, missing = published.contents(folder)
    text = f"{len(results):,} runs, {sum(len(result.predictions) for result in results):,} predictions"
    return text + (f"; {len(missing)} runs of the study are missing, such as {missing[0].run_id}" if missing else "")


@main.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON for a bug report: without paths and names.")
def doctor(as_json):
    """Say whether this place can do a study, and what to do if not. Nothing is trained, and no file is left."""
    _begin("looking at this place")
    from sermodules.doctor import examination

    findings = examination.examine()
    click.echo(json.dumps(examination.record(findings), indent=1) if as_json else examination.screen(findings))
    sys.exit(any(finding.stops for finding in findings))


@main.command("claims")
def paper_claims():
    """Judge the claims of the paper that its own figures decide."""
    _begin("judging the claims")
    from sermodules.evidence import claims

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
