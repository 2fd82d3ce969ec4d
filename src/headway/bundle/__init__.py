"""What a DBA reviews, signs and applies by hand: the SQL of a plan for psql, and a report of what it does.

Rendering is pure: the same content gives the same bytes. Gathering the content is the Migrator's.
"""

from headway.bundle.content import BundleStep, Content, Scripts, Setting, content_of
from headway.bundle.folder import read_manifest, verify_files, write_folder
from headway.bundle.holdings import Holdings, held_by
from headway.bundle.manifest import MANIFEST, files_of
from headway.bundle.report import Drawn, by_text
from headway.bundle.script import script_of
from headway.bundle.verdict import differences

__all__ = [
    "MANIFEST",
    "BundleStep",
    "Content",
    "Drawn",
    "Holdings",
    "Scripts",
    "Setting",
    "by_text",
    "content_of",
    "differences",
    "files_of",
    "held_by",
    "read_manifest",
    "script_of",
    "verify_files",
    "write_folder",
]
