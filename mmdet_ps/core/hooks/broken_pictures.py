"""How many pictures of a training set could not be read."""

from typing import Any

from mmcv.runner import HOOKS, Hook


@HOOKS.register_module()
class BrokenPicturesHook(Hook):
    """Log, after each epoch, the training pictures that were replaced since they are broken.

    Note:
        On several processes each counts those that it met; the first one's are logged.
    """

    def after_train_epoch(self, runner: Any) -> None:
        """Log their number and the first names, if any."""
        names = getattr(runner.data_loader.dataset, 'corrupt_pictures', [])
        if names:
            more = ', ...' if len(names) > 3 else ''
            runner.logger.warning(
                f'{len(names)} broken training pictures replaced: {", ".join(names[:3])}{more}'
            )
