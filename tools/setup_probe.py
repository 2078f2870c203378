"""Say what a Python has, as shell assignments: the eyes of tools/setup.sh.

Needs nothing installed.
"""

import importlib.metadata
import importlib.util
import os
import shlex
import sys
import sysconfig


def version_of(distribution):
    """The installed version of a distribution, '' where there is none."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ''


def last_line(error):
    """The end of an exception's text, fit for one line of output."""
    lines = str(error).strip().splitlines() or ['']
    return f'{type(error).__name__}: {lines[-1]}'


def probe_torch():
    """Versions of torch and torchvision, what they were built for, and which cards are visible."""
    found = dict(TORCH='', TORCH_CUDA='', TORCH_ARCHS='', TORCH_ERROR='', VISION='', GPU_ARCHS='')
    if importlib.util.find_spec('torch') is None:
        return found
    try:
        import torch
    except Exception as error:  # a broken installation can raise anything
        found['TORCH_ERROR'] = last_line(error)
        return found
    found['TORCH'] = str(torch.__version__)
    found['TORCH_CUDA'] = torch.version.cuda or ''
    if found['TORCH_CUDA']:
        flags = torch._C._cuda_getArchFlags() or ''
        found['TORCH_ARCHS'] = ' '.join(
            f'{flag[3:-1]}.{flag[-1]}'
            for flag in flags.split()
            if flag.startswith('sm_') and flag[3:].isdigit()
        )
        if torch.cuda.is_available():
            cards = range(torch.cuda.device_count())
            archs = sorted({torch.cuda.get_device_capability(card) for card in cards})
            found['GPU_ARCHS'] = ' '.join(f'{major}.{minor}' for major, minor in archs)
    try:
        import torchvision
    except Exception as error:  # one built for another torch fails on import in its own ways
        found['TORCH_ERROR'] = last_line(error)
        return found
    found['VISION'] = str(torchvision.__version__)
    return found


def probe_mmcv():
    """The version of an mmcv-full whose operators load, and whether they are CPU or CUDA ones."""
    version = version_of('mmcv-full')
    if not version:
        return dict(MMCV='', MMCV_OPS='')
    try:
        extension = importlib.import_module('mmcv._ext')  # `import mmcv` alone does not load it
        cuda = extension.get_compiling_cuda_version()
    except Exception:  # compiled for another torch: an undefined symbol, mostly
        return dict(MMCV=version, MMCV_OPS='broken')
    return dict(MMCV=version, MMCV_OPS='cpu' if cuda == 'not available' else 'cuda')


def main():
    """Print one assignment a line."""
    stdlib = sysconfig.get_path('stdlib')
    in_venv = sys.prefix != sys.base_prefix
    package = importlib.util.find_spec('mmdet_ps')
    package = package if package and package.origin else None
    found = dict(
        PY_VERSION='.'.join(str(part) for part in sys.version_info[:3]),
        PY_TAG=f'cp{sys.version_info[0]}{sys.version_info[1]}',
        PREFIX=sys.prefix,
        SITE=sysconfig.get_path('purelib'),
        MANAGED=not in_venv and os.path.exists(os.path.join(stdlib, 'EXTERNALLY-MANAGED')),
        HEADERS=os.path.exists(os.path.join(sysconfig.get_path('include'), 'Python.h')),
        PLATFORM=sysconfig.get_platform().replace('-', '_'),
        BUILD_TOOLS=importlib.util.find_spec('pkg_resources') is not None
        and importlib.util.find_spec('ninja') is not None
        and importlib.util.find_spec('wheel') is not None,
        OPENCV=importlib.util.find_spec('cv2') is not None,
        MMDET=version_of('mmdet'),
        PACKAGE=os.path.dirname(os.path.dirname(package.origin)) if package else '',
    )
    found.update(probe_torch())
    found.update(probe_mmcv())
    for name, value in found.items():
        value = int(value) if isinstance(value, bool) else value
        sys.stdout.write(f'{name}={shlex.quote(str(value))}\n')


if __name__ == '__main__':
    main()
