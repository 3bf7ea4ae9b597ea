import hashlib

from ganst.models.stylepack import CALIBRATION_FILE
from ganst.scoring.calibration import Calibration
from pipelines.judging import load_calibration
from tests.ganst.scoring.older_files import of_before


def test_a_calibration_of_an_older_layout_keeps_its_id(calibrated_pack, tmp_path):
    data = (calibrated_pack.path / CALIBRATION_FILE).read_bytes()
    (tmp_path / CALIBRATION_FILE).write_bytes(data)
    made = Calibration.from_bytes(data)
    assert load_calibration(str(tmp_path)) is not None
    (tmp_path / CALIBRATION_FILE).write_bytes(of_before(made))
    found = load_calibration(str(tmp_path))
    # What clips and runs were judged by: the id of the file, not of what it is read as.
    assert found
    assert found[1] == hashlib.sha256(of_before(made)).hexdigest()[:16] != made.calibration_id
