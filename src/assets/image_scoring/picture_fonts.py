"""The fonts of pictures. Matplotlib's own font has no Japanese, Chinese or Korean letters."""

import logging
from functools import cache

log = logging.getLogger(__name__)


@cache
def use_fonts() -> None:
    """Let Matplotlib take letters that its own font lacks from Noto Sans CJK, if it is installed."""
    from matplotlib import font_manager, rcParams

    try:
        from noto_cjk_sans_jp_regular import FONT_PATH
    except ImportError:
        log.warning("font_not_installed package=noto-cjk-sans-jp-regular")
        return
    font_manager.fontManager.addfont(str(FONT_PATH))
    name = font_manager.FontProperties(fname=str(FONT_PATH)).get_name()
    rcParams["font.family"] = [*rcParams["font.family"], name]
