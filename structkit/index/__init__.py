"""One amorphization index of several techniques, and whether they agree.

``evidence`` (what each technique measured, and its link to the amorphous share) ->
``scores`` (each alone) -> ``latent`` (all together, :mod:`structkit.index.truncation`
keeps shares within 0..1), ``pool`` (the transparent alternative), ``agreement``
(conflicts) -> ``combine`` (what is stored). Knows names of metrics and which way they
run; reads no file and knows no instrument.
"""
