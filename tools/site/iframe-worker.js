// Browsers start no worker for pages of the scheme file:. This one runs the search in a hidden frame.
"use strict";
if (location.protocol === "file:") {
  // Material's search looks for this name before it loads its libraries.
  window.IFrameWorker = window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.append(frame);
      this.frame = frame.contentWindow;
      this.frame.postMessage = (data) => {
        this.dispatchEvent(new MessageEvent("message", { data }));
      };
      const script = this.frame.document.createElement("script");
      script.src = new URL(url, location.href);
      this.loaded = new Promise((resolve) => script.addEventListener("load", resolve));
      this.frame.document.body.append(script);
    }

    postMessage(data) {
      const event = new this.frame.MessageEvent("message", { data });
      this.loaded.then(() => this.frame.dispatchEvent(event));
    }
  };
}
