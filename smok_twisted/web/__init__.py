"""The daemon's outside over HTTP: the API, who may use it, and the page. It knows devices and the store, no link."""
