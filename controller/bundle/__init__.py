"""The offline bundle: collected and signed where there is internet, verified and served where there is none."""
