"""Before anything is imported: the shapes in the annotations of `cohort.objective` are checked."""

from jaxtyping import install_import_hook

install_import_hook("cohort.objective", "beartype.beartype")
