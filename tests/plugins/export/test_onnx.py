"""`--to onnx`: the model, its description, and what is refused."""

import importlib.util
import json

import pytest

from glulam import GlulamError
from glulam_export import onnx as exporter
from glulam_export.exporters import to_onnx

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
MISSING = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
needs_onnx = pytest.mark.skipif(bool(MISSING), reason=f"the extra glulam-export[onnx] is not installed: {MISSING}")


@needs_onnx
class TestTheModel:
    @pytest.fixture
    def written(self, tiny, tmp_path):
        return to_onnx(tiny, tmp_path / "agent", greedy=True)

    def test_it_says_what_it_is(self, written):
        import onnxruntime

        model, beside = written
        assert (model.name, beside.name) == ("agent.onnx", "agent.onnx.json")
        session = onnxruntime.InferenceSession(model)
        about = json.loads(session.get_modelmeta().custom_metadata_map["glulam.json"])
        assert about == json.loads(beside.read_text(encoding="utf-8"))
        assert (about["form"], about["policy"]) == ("onnx", "small")
        assert int(about["versions"]["opset"]) >= 18
        dtypes = {"float32": "tensor(float)", "bool": "tensor(bool)", "int64": "tensor(int64)"}
        for told, found in ((about["inputs"], session.get_inputs()), (about["outputs"], session.get_outputs())):
            assert [(item["name"], dtypes[item["dtype"]], item["shape"]) for item in told] == [
                (item.name, item.type, item.shape) for item in found
            ]

    def test_the_checker_of_onnx_has_nothing_to_say(self, written):
        import onnx

        onnx.checker.check_model(onnx.load(written[0]), full_check=True)

    def test_a_policy_without_onnx_form_is_refused(self, tiny, tmp_path, monkeypatch):
        def fails(*_args, **_options):
            msg = "no decomposition of aten::odd\nand more"
            raise RuntimeError(msg)

        monkeypatch.setattr(exporter.torch.onnx, "export", fails)
        message = (
            "policy 'small' has no ONNX form: no decomposition of aten::odd; "
            "write --to torch-export for a program that torch runs"
        )
        with pytest.raises(GlulamError) as caught:
            to_onnx(tiny, tmp_path / "agent")
        assert str(caught.value) == message
        assert list(tmp_path.iterdir()) == []

    def test_no_file_is_left_of_a_model_that_differs(self, tiny, tmp_path, monkeypatch):
        label = exporter._label

        def altered(model, description):
            import numpy as np
            from onnx import numpy_helper

            label(model, description)
            for weight in model.graph.initializer:
                array = numpy_helper.to_array(weight)
                if array.dtype == np.float32 and array.size > 1:
                    weight.CopyFrom(numpy_helper.from_array(array * np.float32(1.1), weight.name))

        monkeypatch.setattr(exporter, "_label", altered)
        with pytest.raises(GlulamError, match="onnx of policy 'small', 1 rows: output .* differs from the policy's by"):
            to_onnx(tiny, tmp_path / "agent")
        assert list(tmp_path.iterdir()) == []


def test_missing_packages_are_named(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(exporter, "find_spec", lambda name: None if name != "onnx" else object())
    with pytest.raises(GlulamError) as caught:
        to_onnx(tiny, tmp_path / "agent")
    assert str(caught.value) == ("--to onnx needs onnxruntime, onnxscript: pip install onnxruntime onnxscript")
