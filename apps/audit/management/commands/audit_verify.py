"""`manage.py audit_verify FILE`: the stand-alone verifier, with this server's own key at hand."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.audit import notes, verify


class Command(BaseCommand):
    """Says whether an exported trail holds; exit code 1 when it does not."""

    help = "Checks an exported audit trail against this server's audit key (or --key)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--key", default="", help="another server's verifier key")

    def handle(self, *args: Any, **options: Any) -> None:
        key = options["key"] or notes.verifier_key()
        try:
            self.stdout.write(verify.said(verify.check(options["file"], key), key), ending="")
        except verify.Broken as error:
            raise CommandError(f"BROKEN: {error}") from error
        except (verify.Unreadable, OSError, UnicodeError) as error:
            raise CommandError(str(error), returncode=2) from error
