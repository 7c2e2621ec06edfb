{
  description = "Sign in to your AI providers once, and every AI plugin in Neovim gets a fresh token";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      # The whole repository, of which this is a folder.
      source = self.sourceInfo.outPath;
      cargo = builtins.fromTOML (builtins.readFile (source + "/Cargo.toml"));
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ];
      each = make: nixpkgs.lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
    in
    {
      packages = each (pkgs: rec {
        default = convocations;

        convocations = pkgs.rustPlatform.buildRustPackage {
          pname = "convocations";
          version = cargo.package.version;
          src = source;
          cargoLock.lockFile = source + "/Cargo.lock";
          cargoBuildFlags = [
            "--bin"
            "convocations"
          ];
          # The tests start servers, editors and keyrings.
          doCheck = false;
          CONVOCATIONS_COMMIT = self.shortRev or "unknown";
          nativeBuildInputs = [ pkgs.installShellFiles ];
          postInstall = ''
            $out/bin/convocations man --dir man
            installManPage man/*.1
            installShellCompletion --cmd convocations \
              --bash <($out/bin/convocations completions bash) \
              --zsh <($out/bin/convocations completions zsh) \
              --fish <($out/bin/convocations completions fish)
          '';
          meta = {
            description = cargo.package.description;
            license = [
              pkgs.lib.licenses.mit
              pkgs.lib.licenses.lgpl3Only
            ];
            mainProgram = "convocations";
          };
        };

        # The plugin finds the program without looking, and downloads nothing.
        convocations-nvim = pkgs.vimUtils.buildVimPlugin {
          pname = "convocations.nvim";
          version = cargo.package.version;
          src = source;
          postInstall = ''
            mkdir -p $out/target/release
            ln -s ${convocations}/bin/convocations $out/target/release/convocations
          '';
        };
      });
    };
}
