"""The numbered scripts; and the names that are asked for where none of them is run."""

MAKES_A_RELEASE = ("deploy", "blue-green-deploy")
# What goes towards a release that visitors may not have met; a rollback takes it back first.
FORWARD = (*MAKES_A_RELEASE, "run-migration")
