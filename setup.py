from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent


def requirements(name: str) -> list[str]:
    lines = (ROOT / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith('#')]


extras = {
    path.stem: requirements(f'requirements/{path.name}')
    for path in sorted((ROOT / 'requirements').glob('*.txt'))
    if path.stem != 'pinned'
}
extras['dev'] += extras['plots']

setup(
    name='mmdet_ps',
    version='0.1.0',
    description='Person search on MMDetection: AlignPS and ROI-AlignPS',
    long_description=(ROOT / 'README.md').read_text(),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    packages=find_packages(include=['mmdet_ps', 'mmdet_ps.*']),
    python_requires='>=3.10,<3.13',
    install_requires=requirements('requirements.txt'),
    extras_require=extras,
)
