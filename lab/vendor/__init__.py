"""The NPU vendor's download site: packages as the vendor makes them, built on this machine and served over HTTP."""
