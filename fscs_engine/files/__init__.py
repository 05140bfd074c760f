"""Reading and writing picture files: plates and masks in, layered EXR, PNG layers and contact sheets out."""
