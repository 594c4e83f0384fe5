"""Is it up, is it able, how is it doing: the three questions machines ask."""
