"""Pages of molecules: one HTML file each, which needs no network and no server."""
