"""Changes of colour that cameras make."""

from typing import Any

import numpy as np
from mmdet.datasets import PIPELINES


@PIPELINES.register_module()
class ChannelJitter:
    """Another gain and shift for each colour channel, as between two cameras' white balances.

    Each channel becomes ``clip(value * g + 255 * s, 0, 255)`` with g drawn evenly from
    ``[1 - gain, 1 + gain]`` and s from ``[-shift, shift]``. The picture becomes float32.

    Args:
        gain: 0 to 1.
        shift: 0 to 1, a share of the full range of 255.
    """

    def __init__(self, gain: float = 0.1, shift: float = 0.1):
        for name, value in (('gain', gain), ('shift', shift)):
            if not 0 <= value <= 1:
                raise ValueError(f'ChannelJitter: {name}={value}; allowed is 0 to 1')
        self.gain, self.shift = gain, shift

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change every picture in ``img_fields``; values stay in 0..255."""
        for key in results.get('img_fields', ['img']):
            img = results[key].astype(np.float32)
            channels = img.shape[-1]
            gain = np.random.uniform(1 - self.gain, 1 + self.gain, channels)
            shift = np.random.uniform(-self.shift, self.shift, channels) * 255
            img = img * gain.astype(np.float32) + shift.astype(np.float32)
            results[key] = np.clip(img, 0, 255)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(gain={self.gain}, shift={self.shift})'
