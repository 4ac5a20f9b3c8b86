import sys

from tests.mutants.project import objective
from tests.mutants.run import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], objective()))
