"""The page: plain ES modules and one style sheet of our own; `files` reads them, `bundle` joins them."""
