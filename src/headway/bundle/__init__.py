"""What a DBA reviews, signs and applies by hand: the SQL of a plan for psql, and a report of what it does.

Rendering is pure: the same content gives the same bytes. Gathering the content is the Migrator's.
"""

from headway.bundle.content import BundleStep, Content, Scripts, Setting, content_of
from headway.bundle.folder import read_manifest, verify_files, write_folder
from headway.bundle.manifest import MANIFEST, files_of
from headway.bundle.script import script_of

__all__ = [
    "MANIFEST",
    "BundleStep",
    "Content",
    "Scripts",
    "Setting",
    "content_of",
    "files_of",
    "read_manifest",
    "script_of",
    "verify_files",
    "write_folder",
]
