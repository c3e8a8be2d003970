"""`python -m proxy.service`: the log service as a process of its own."""

import sys

from proxy import compiled

if __name__ == "__main__":
    compiled.use()  # before anything that is compiled is imported
    from proxy.service.main import main

    sys.exit(main())
