"""`python -m proxy.service`: the log service as a process of its own."""

import sys

from proxy.service.main import main

if __name__ == "__main__":
    sys.exit(main())
