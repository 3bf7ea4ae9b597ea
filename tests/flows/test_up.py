from flows.up import environment


def test_processes_are_told_the_folder_that_they_are_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PWD", "/elsewhere")
    assert environment(tmp_path, 4200)["PWD"] == str(tmp_path)
    monkeypatch.delenv("PWD")
    assert environment(tmp_path, 4200)["PWD"] == str(tmp_path)


def test_processes_are_not_told_of_another_server(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://elsewhere/api")
    monkeypatch.setenv("PREFECT_API_KEY", "secret")
    found = environment(tmp_path, 4207)
    assert found["PREFECT_API_URL"] == "http://127.0.0.1:4207/api"
    assert "PREFECT_API_KEY" not in found
