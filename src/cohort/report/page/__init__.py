"""The page: plain ES modules, one style sheet, no third-party code; `files` reads them, `bundle` joins them."""
