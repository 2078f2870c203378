"""What can be fetched, and where it lies afterwards. Imports neither torch nor mmdet.

The Drive ids stand in public READMEs: those of the checkpoints in the authors' own, that of
CUHK-SYSU in SeqNet's, that of PRW in GFN's.
"""

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
CHECKPOINTS, DATA = ROOT / 'checkpoints', ROOT / 'data'
# Of a folder that downloads go to: files as they were published.
PUBLISHED = 'downloads'


@dataclass(frozen=True)
class Download:
    """One published file.

    Attributes:
        name: By which it is asked for.
        drive_id: On Google Drive.
        page: The authors' page.
        terms: Of use, in one line.
        file: Its name as published.
        holds: For a data set, a file that its root has; None for a checkpoint.
        size: As published; None where it is not known.
    """

    name: str
    drive_id: str
    page: str
    terms: str
    file: str
    holds: str | None = None
    size: str | None = None

    @property
    def link(self) -> str:
        """To open in a browser."""
        return f'https://drive.google.com/file/d/{self.drive_id}/view'

    @property
    def folder(self) -> Path:
        """Where it goes unless another folder is given."""
        return DATA if self.holds else CHECKPOINTS

    def published(self, folder: Path) -> Path:
        """The file as published, under a folder that downloads go to."""
        return folder / PUBLISHED / self.file

    def ready(self, folder: Path) -> Path:
        """What is made of it there: a converted checkpoint, or a converted data set."""
        return folder / (self.name if self.holds else f'{self.name}.pth')

    @property
    def config(self) -> Path:
        """Of a checkpoint."""
        return ROOT / 'configs' / 'released' / f'{self.name}.py'

    @property
    def layout(self) -> str:
        """Of a checkpoint, one of `mmdet_ps.models.converters.LAYOUTS`."""
        return self.name.replace('_r50', '')


_ALIGNPS = 'https://github.com/daodaofr/AlignPS'
_TRAINED = 'code Apache-2.0, no terms of their own; trained on {}, whose terms see'
_CHECKPOINTS = {
    'alignps_r50_cuhk': '1WMvvxee15Enca_l9DYzCuOfP1f64zliy',
    'alignps-dcn_r50_cuhk': '12AuG37IPkhyrpHG_kqpUzzoDEEkXlgne',
    'roi_alignps_r50_cuhk': '18zgigxThemBDlTe1dS_XUj8ZpyKJGQ9I',
    'alignps_r50_prw': '1QQNoYQTiO3FIiEpu0AtigGFIDf3wG2u5',
    'alignps-dcn_r50_prw': '1O02EBrHglE1x-zk88QLLdXF-x6yebwBp',
    'roi_alignps_r50_prw': '1D6_VChGDnGVK2gkmKFqCP4ShP4nK_sbT',
}
_DATASETS = [
    Download(
        'cuhk_sysu',
        '1z3LsFrJTUeEX3-XjSEJMOBrslxD2T5af',
        'https://github.com/ShuangLI59/person_search',
        'academic use only; the authors give it on request from a university address',
        'cuhk_sysu.tar.gz',
        holds='annotation/Images.mat',
    ),
    Download(
        'prw',
        '0B6tjyrV1YrHeYnlhNnhEYTh5MUU',
        'https://zheng-lab.cecs.anu.edu.au/Project/project_prw.html',
        'no licence is stated; the page asks to cite the paper; people filmed on a campus',
        'PRW-v16.04.20.zip',
        holds='frame_train.mat',
        size='2.67 GB',
    ),
]
CATALOGUE = {
    name: Download(
        name,
        drive_id,
        _ALIGNPS,
        _TRAINED.format('CUHK-SYSU' if name.endswith('cuhk') else 'PRW'),
        f'{name}.pth',
    )
    for name, drive_id in _CHECKPOINTS.items()
} | {entry.name: entry for entry in _DATASETS}


def find_released(name: str, folder: str | os.PathLike | None = None) -> tuple[Path, Path]:
    """Find a published checkpoint that ``tools/download.py`` has fetched.

    Example:
        >>> config, checkpoint = find_released('alignps_r50_prw')

    Args:
        name: Of the checkpoint.
        folder: Where it was fetched to, if not to ``checkpoints`` of the project.

    Returns:
        Its config and the converted file.

    Raises:
        FileNotFoundError: No published checkpoint has that name, or it has not been fetched.
    """
    if name not in _CHECKPOINTS:
        raise FileNotFoundError(
            f'{name}: no published checkpoint of that name; there are {", ".join(_CHECKPOINTS)}'
        )
    entry = CATALOGUE[name]
    ready = entry.ready(Path(folder or entry.folder))
    if not ready.is_file():
        where = f' --to {folder}' if folder else ''
        raise FileNotFoundError(
            f'{ready}: not there; fetch it with python tools/download.py {name}{where}'
        )
    return entry.config, ready
