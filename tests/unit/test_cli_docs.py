"""docs/cli.md names every command and every option of play that changes what is sent."""

from pathlib import Path

import typer
from typer.testing import CliRunner

from streamlab.cli.app import app

TEXT = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()


def commands(group: typer.Typer, prefix: str = "streamlab"):
    for command in group.registered_commands:
        yield f"{prefix} {command.name or command.callback.__name__}"
    for nested in group.registered_groups:
        yield f"{prefix} {nested.name}"
        for command in nested.typer_instance.registered_commands:
            yield f"{nested.name} {command.name or command.callback.__name__}"


def test_every_command_stands_in_the_docs():
    found = list(commands(app))
    assert len(found) > 12
    assert [name for name in found if name not in TEXT] == []


def test_every_option_of_play_stands_in_the_docs():
    shown = CliRunner().invoke(app, ["play", "--help"]).stdout
    options = {word for word in shown.replace(",", " ").split() if word.startswith("--")}
    options = {option.rstrip(".;:") for option in options} - {"--help"}
    assert len(options) > 10
    assert sorted(option for option in options if option not in TEXT) == []
