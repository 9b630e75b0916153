def GetVersionTag():
    return "v0.0.stub"


def GetVersionNumber():
    raise RuntimeError("not a checkout of git")
