"""Networks whose authors publish plain weights, drawn again with OpenVINO's own operations.

Each module has a function ``build(tensors) -> openvino.Model`` that a card's file names as its ``graph``, and a number
``VERSION`` that is counted up when the drawing changes, so that no network compiled before is used again.
"""
