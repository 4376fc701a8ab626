"""What the page has beside viser's client: it says when the connection is lost, and keeps the stop in view."""

STAYS_IN_VIEW = '<span class="spirl-stays"></span>'
"""HTML in front of the button that stays in view, however far the panel is scrolled."""

_STYLE = """
<style>
  #spirl-lost {
    display: none; position: fixed; z-index: 100000; top: 0; left: 0; right: 0; padding: .7em 1em;
    background: #c92a2a; color: white; font: 600 16px/1.4 system-ui, sans-serif; text-align: center;
  }
  #spirl-lost.shown { display: block; }
  :has(.spirl-stays) + div:has(> button) {
    position: sticky; top: 0; z-index: 10; padding-top: .4em; background: var(--mantine-color-body, white);
  }
  /* What is hidden would be kept from scrolling, and the button from sticking to what scrolls; clipped it is not. */
  .mantine-ScrollArea-viewport :has(.spirl-stays) { overflow: clip !important; }
</style>
"""

_SCRIPT = """
<script>
(() => {
  // viser's client speaks to the server in a worker, which tells the page when the connection begins and ends.
  const banner = document.createElement("div");
  banner.id = "spirl-lost";
  banner.setAttribute("role", "alert");
  const addBanner = () => document.body.append(banner);
  if (document.body) addBanner(); else document.addEventListener("DOMContentLoaded", addBanner);
  const show = (isLost) => {
    if (isLost && !banner.classList.contains("shown")) {
      banner.textContent = `Connection lost at ${new Date().toLocaleTimeString()}: what is shown is from then, and no `
        + "button works, the emergency stop neither. The terminal of the graph says whether it has ended; the page "
        + "comes back by itself when it runs again.";
      document.hasFocus = () => true;  // the client tries again in a window that has the focus only
      window.dispatchEvent(new Event("focus"));
    }
    banner.classList.toggle("shown", isLost);
  };
  window.Worker = class extends window.Worker {
    constructor(...given) {
      super(...given);
      this.addEventListener("message", ({ data }) => {
        if (data && data.type === "connected") show(false);
        if (data && data.type === "closed") show(true);
      });
    }
  };
})();
</script>
"""


def with_additions(page: bytes) -> bytes:
    """Viser's page with ours in its head, before its own scripts."""
    head, mark, rest = page.partition(b"</title>")
    return head + mark + (_STYLE + _SCRIPT).encode() + rest if mark else page
