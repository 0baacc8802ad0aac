"""The command line: one module per sub-command, imported when it is called."""

from __future__ import annotations

import importlib
import keyword
import pkgutil

import click


class _LazyGroup(click.Group):
    """Every module of this package that does not begin with an underscore is a sub-command.

    The module `NAME` holds a click command `command`; `_` in a module's name is `-` on the command line. A name that
    Python keeps for itself has a `_` at the end of its module's.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted(
            module.name.removesuffix("_").replace("_", "-")
            for module in pkgutil.iter_modules(__path__)
            if not module.name.startswith("_")
        )

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        name = cmd_name.replace("-", "_")
        module = importlib.import_module(f"{__name__}.{name}_" if keyword.iskeyword(name) else f"{__name__}.{name}")
        command = module.command
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ruleproxy", prog_name="ruleproxy")
def main() -> None:
    """A reverse proxy whose behaviour is a folder of small, checked rules."""
