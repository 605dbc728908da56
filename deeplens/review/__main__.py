"""`deeplens review`."""

from deeplens.review.cli import main

main()
