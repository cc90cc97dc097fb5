"""Parts of all reports: sheets, records, summaries, grids of pictures."""
