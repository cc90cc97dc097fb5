"""What all reports share: sheets, records, grids of pictures."""
