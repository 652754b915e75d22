"""From a page's bytes to its text: decoding, guards, engines, and the process that parses."""
