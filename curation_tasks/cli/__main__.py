"""`python -m curation_tasks.cli`, for where the command is not on the path."""

from curation_tasks.cli import main

if __name__ == "__main__":
    main()
