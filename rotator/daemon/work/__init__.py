"""The daemon's work: workqueue, schedule and event handler wake gateways, the runner rotates them."""
